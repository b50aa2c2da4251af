import { describeMatrix } from "./matrix.ts";

describeMatrix("pg", 100);
