import { describeMatrix } from "./matrix.ts";

describeMatrix("s3", 200);
