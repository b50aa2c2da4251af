import { expect, it } from "@jest/globals";
import { forEachSeed } from "../src/index.ts";
import { death } from "../src/scenarios/death.ts";

it("a node that dies between its commit and its publish leaves no old copy with its peers", async () => {
  const { seeds } = await forEachSeed(1_000, death);
  expect(seeds).toBeGreaterThan(0);
}, 3_600_000);
