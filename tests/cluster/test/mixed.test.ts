import { expect, it } from "@jest/globals";
import { forEachSeed } from "../src/index.ts";
import { mixed } from "../src/scenarios/mixed.ts";

it("whatever goes wrong, afterwards every node agrees with the store, and nothing is left over", async () => {
  const { seeds } = await forEachSeed(500, mixed);
  expect(seeds).toBeGreaterThan(0);
}, 3_600_000);
