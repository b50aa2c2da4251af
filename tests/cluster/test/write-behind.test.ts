import { expect, it } from "@jest/globals";
import { forEachSeed } from "../src/index.ts";
import { writeBehind } from "../src/scenarios/write-behind.ts";

it("what was written behind is read at once, reaches the store once, and nothing older comes back", async () => {
  const { seeds } = await forEachSeed(500, writeBehind);
  expect(seeds).toBeGreaterThan(0);
}, 3_600_000);
