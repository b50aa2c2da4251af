import { expect, it } from "@jest/globals";
import { forEachSeed } from "../src/index.ts";
import { strong } from "../src/scenarios/strong.ts";

// A file of its own runs beside the first one: together they are the longest of all.
it("strong keys are linearizable, and whoever acknowledged a write holds no copy, on the seeds from 1 001 on", async () => {
  const { seeds } = await forEachSeed(1_000, strong, { from: 1_001 });
  expect(seeds).toBeGreaterThan(0);
}, 3_600_000);
