import { describeMatrix } from "./matrix.ts";

describeMatrix("nats", "s3");
