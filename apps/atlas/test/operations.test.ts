import { describe, expect, it } from "@jest/globals";
import { WarpError, type WarpErrorCode } from "@warp/core";
import type { Node } from "../src/bootstrap.ts";
import { type City, viewsKey } from "../src/data.ts";
import { Ledger } from "../src/ledger.ts";
import { Operations } from "../src/operations.ts";
import { madeCities } from "./made-cities.ts";

const [city] = madeCities(1) as readonly [City];

const world = (node: Partial<Record<keyof Node, unknown>>) => {
  const ledger = new Ledger();
  const operations = new Operations([node, node, node] as unknown as readonly Node[], ledger);
  return { ledger, operations };
};

const failing = (code: WarpErrorCode) => async () => {
  throw new WarpError(code, "as the test says");
};

describe("what callers write down", () => {
  it.each([
    ["OUTCOME_UNKNOWN", { resolved: 0, unknown: 3 }],
    ["UNAVAILABLE", { resolved: 0, unknown: 0 }],
  ] as const)("a view that fails with %s counts as %j", async (code, count) => {
    const { ledger, operations } = world({ set: failing(code) });
    await operations.run({ kind: "view", city });
    expect(ledger.counts.get(viewsKey(city))).toEqual(count);
    expect(ledger.tallies.get("view")?.failures).toEqual(new Map([[code, 1]]));
  });

  it("a view that all nodes confirm counts three times", async () => {
    const { ledger, operations } = world({ set: async () => 1 });
    await operations.run({ kind: "view", city });
    expect(ledger.counts.get(viewsKey(city))).toEqual({ resolved: 3, unknown: 0 });
    expect(ledger.tallies.get("view")?.times.count).toBe(1);
  });

  it("an answer about yesterday that is not what was loaded is wrong", async () => {
    const { ledger, operations } = world({ getAt: async () => ({ ...city, population: city.population + 1 }) });
    await operations.run({ kind: "yesterday", node: 0, city });
    expect(ledger.wrongYesterdays).toBe(1);
  });

  it("an error that is none of Warp's ends the run", async () => {
    const { operations } = world({
      get: async () => {
        throw new TypeError("a bug");
      },
    });
    await expect(operations.run({ kind: "read", node: 0, city })).rejects.toThrow("a bug");
  });
});
