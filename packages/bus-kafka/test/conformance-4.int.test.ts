import { describeWith } from "@warp/tests-services";
import { itIsABus } from "./conformance.ts";

await describeWith("kafka4", (url) => itIsABus(url, { createTopic: { partitions: 4 }, compression: "gzip" }));
