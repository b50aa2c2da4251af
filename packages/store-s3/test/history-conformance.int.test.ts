import { historyCases } from "@warp/conformance";
import { describeConformance } from "./conformance.ts";

await describeConformance("History", historyCases);
