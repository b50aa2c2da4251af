import { describeMatrix } from "./matrix.ts";

describeMatrix("nats", "pg");
