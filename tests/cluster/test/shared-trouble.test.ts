import { expect, it } from "@jest/globals";
import { forEachSeed } from "../src/index.ts";
import { sharedTrouble } from "../src/scenarios/shared-trouble.ts";

it("a shared tier that fails or goes back in time leaves no old copy", async () => {
  const { seeds } = await forEachSeed(500, sharedTrouble);
  expect(seeds).toBeGreaterThan(0);
}, 3_600_000);
