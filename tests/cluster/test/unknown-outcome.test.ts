import { expect, it } from "@jest/globals";
import { forEachSeed } from "../src/index.ts";
import { unknownOutcome } from "../src/scenarios/unknown-outcome.ts";

it("an outcome that is unknown and a call that is repeated count once or not at all", async () => {
  const { seeds } = await forEachSeed(1_000, unknownOutcome);
  expect(seeds).toBeGreaterThan(0);
}, 3_600_000);
