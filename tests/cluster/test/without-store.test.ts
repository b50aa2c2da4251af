import { expect, it } from "@jest/globals";
import { forEachSeed } from "../src/index.ts";
import { withoutStore } from "../src/scenarios/without-store.ts";

it("where caches are all there is, no node shows what a later write has overtaken", async () => {
  const { seeds } = await forEachSeed(300, withoutStore);
  expect(seeds).toBeGreaterThan(0);
}, 3_600_000);
