import { expect, it } from "@jest/globals";
import { forEachSeed } from "../src/index.ts";
import { storeExpiry } from "../src/scenarios/store-expiry.ts";

it("what has expired by the store's clock is served by no node, whatever its own clock says", async () => {
  const { seeds } = await forEachSeed(500, storeExpiry);
  expect(seeds).toBeGreaterThan(0);
}, 3_600_000);
