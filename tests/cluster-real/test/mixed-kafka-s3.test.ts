import { describeMatrix } from "./matrix.ts";

describeMatrix("kafka", "s3");
