import { expect, it } from "@jest/globals";
import { forEachSeed } from "../src/index.ts";
import { foreignWrites } from "../src/scenarios/foreign-writes.ts";

it("what others than Warp write leaves no old copy on any node, nor in the shared tier", async () => {
  const { seeds } = await forEachSeed(500, foreignWrites);
  expect(seeds).toBeGreaterThan(0);
}, 3_600_000);
