import { describeMatrix } from "./matrix.ts";

describeMatrix("pg");
