import { expect, it } from "@jest/globals";
import { forEachSeed } from "../src/index.ts";
import { restart } from "../src/scenarios/restart.ts";

it("a node that restarts and whose first frames are lost leaves no old copy with its peers", async () => {
  const { seeds } = await forEachSeed(1_000, restart);
  expect(seeds).toBeGreaterThan(0);
}, 3_600_000);
