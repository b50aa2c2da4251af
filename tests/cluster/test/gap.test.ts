import { expect, it } from "@jest/globals";
import { forEachSeed } from "../src/index.ts";
import { gap } from "../src/scenarios/gap.ts";

it("a gap that is noticed during a fill or a revalidation makes the copy suspect", async () => {
  const { seeds } = await forEachSeed(1_000, gap);
  expect(seeds).toBeGreaterThan(0);
}, 3_600_000);
