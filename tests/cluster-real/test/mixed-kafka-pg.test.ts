import { describeMatrix } from "./matrix.ts";

describeMatrix("kafka", "pg");
