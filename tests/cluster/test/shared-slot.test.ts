import { expect, it } from "@jest/globals";
import { forEachSeed } from "../src/index.ts";
import { sharedSlot } from "../src/scenarios/shared-slot.ts";

it("two writers and two fillers of one slot leave no old copy in a shared tier that evicts", async () => {
  const { seeds } = await forEachSeed(1_000, sharedSlot);
  expect(seeds).toBeGreaterThan(0);
}, 3_600_000);
