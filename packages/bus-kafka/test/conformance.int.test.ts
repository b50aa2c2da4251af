import { describeWith } from "@warp/tests-services";
import { itIsABus } from "./conformance.ts";

await describeWith("kafka", (url) => itIsABus(url), { standIn: true });
