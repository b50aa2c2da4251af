import { storeCases } from "@warp/conformance";
import { describeConformance } from "./conformance.ts";

await describeConformance("Store", storeCases);
