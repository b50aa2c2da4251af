import { expect, it } from "@jest/globals";
import { forEachSeed } from "../src/index.ts";
import { overtakenLoader } from "../src/scenarios/overtaken-loader.ts";

it("a loader that is overtaken at any moment leaves nothing old in the caches", async () => {
  const { seeds } = await forEachSeed(500, overtakenLoader);
  expect(seeds).toBeGreaterThan(0);
}, 3_600_000);
