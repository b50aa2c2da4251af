import { expect, it } from "@jest/globals";
import { forEachSeed } from "../src/index.ts";
import { overtakenLoad } from "../src/scenarios/overtaken-load.ts";

it("a load that is overtaken at any moment leaves nothing old behind", async () => {
  const { seeds } = await forEachSeed(1_000, overtakenLoad);
  expect(seeds).toBeGreaterThan(0);
}, 3_600_000);
