import { expect, it } from "@jest/globals";
import { forEachSeed } from "../src/index.ts";
import { busOutage } from "../src/scenarios/bus-outage.ts";

it("what a node could not publish reaches its peers when the bus is back", async () => {
  const { seeds } = await forEachSeed(500, busOutage);
  expect(seeds).toBeGreaterThan(0);
}, 3_600_000);
