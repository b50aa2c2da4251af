import { describeMatrix } from "./matrix.ts";

describeMatrix("s3");
