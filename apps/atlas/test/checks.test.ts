import { createHistogram } from "node:perf_hooks";
import { describe, expect, it } from "@jest/globals";
import {
  checkAgreement,
  checkAnswers,
  checkCounts,
  checkCut,
  checkInhabitants,
  checkRevocation,
  checkYesterday,
} from "../src/checks.ts";
import type { Tally } from "../src/ledger.ts";
import { madeCities } from "./made-cities.ts";

const held = (entries: Readonly<Record<string, unknown>>): ReadonlyMap<string, unknown> =>
  new Map(Object.entries(entries));

describe("agreement of the nodes with the store", () => {
  const stored = held({ "city:1": { population: 3 }, "views:1": 7 });
  const agreement = (...nodes: readonly ReadonlyMap<string, unknown>[]) =>
    checkAgreement({ stored, fromCaches: 1, answers: new Map(nodes.map((node, index) => [`node-${index}`, node])) });

  it("holds where each node has what the store has", () => {
    expect(agreement(new Map(stored), new Map(stored)).passed).toBe(true);
  });

  it("fails where one node has an old value, and names node and key", () => {
    const check = agreement(new Map(stored), held({ "city:1": { population: 2 }, "views:1": 7 }));
    expect(check.passed).toBe(false);
    expect(check.detail).toContain('node-1 has {"population":2} for city:1, the store {"population":3}');
  });

  it("fails where a node lacks what the store has", () => {
    expect(agreement(held({ "city:1": { population: 3 } })).passed).toBe(false);
  });

  it("fails where a node has what the store lacks", () => {
    expect(agreement(held({ ...Object.fromEntries(stored), "city:2": {} })).passed).toBe(false);
  });

  it("fails where nothing was compared", () => {
    expect(agreement().passed).toBe(false);
    expect(checkAgreement({ stored: held({}), fromCaches: 0, answers: new Map([["a", held({})]]) }).passed).toBe(false);
  });
});

describe("counted views", () => {
  const counts = (resolved: number, unknown: number) => new Map([["views:1", { resolved, unknown }]]);

  it.each([
    [5, 0, 5, true],
    [5, 2, 5, true],
    [5, 2, 7, true],
    [5, 0, 4, false],
    [5, 0, 6, false],
    [5, 2, 4, false],
    [5, 2, 8, false],
    [5, 0, undefined, false],
    [5, 0, "5", false],
  ])("%s resolved and %s unknown, %s stored: %s", (resolved, unknown, stored, passed) => {
    expect(checkCounts(counts(resolved, unknown), held({ "views:1": stored })).passed).toBe(passed);
  });

  it("fails where nothing was counted", () => {
    expect(checkCounts(new Map(), held({})).passed).toBe(false);
  });
});

describe("inhabitants", () => {
  // With 0, 1 and 2 inhabitants.
  const cities = madeCities(3);

  it.each([
    ["as they were", [0, 1, 2], true],
    ["moved", [3, 0, 0], true],
    ["one more", [0, 1, 3], false],
    ["one fewer", [0, 1, 1], false],
    ["a city gone", [undefined, 1, 2], false],
    ["fewer than none", [-1, 2, 2], false],
    ["halves", [0.5, 0.5, 2], false],
  ])("%s: %j is %s", (_, populations, passed) => {
    expect(checkInhabitants(cities, populations).passed).toBe(passed);
  });

  it("fails where nobody lives anywhere", () => {
    expect(checkInhabitants([], []).passed).toBe(false);
  });
});

describe("the other checks", () => {
  it("yesterday's figures have to be asked for, and right", () => {
    expect([checkYesterday(9, 0), checkYesterday(9, 1), checkYesterday(0, 0)].map(({ passed }) => passed)).toEqual([
      true,
      false,
      false,
    ]);
  });

  it("a revoked lease must have had copies, and leaves none", () => {
    const revocation = { leases: 1, keys: 2, copies: 3, left: 0 };
    expect(checkRevocation(revocation).passed).toBe(true);
    expect(checkRevocation({ ...revocation, left: 1 }).passed).toBe(false);
    expect(checkRevocation({ ...revocation, copies: 0 }).passed).toBe(false);
  });

  it("a cut that nobody noticed fails", () => {
    expect(checkCut(1).passed).toBe(true);
    expect(checkCut(0).passed).toBe(false);
  });

  it("a few failed operations are tolerated, many are not, and none at all is no run", () => {
    const tally = (answered: number, failed: number): ReadonlyMap<string, Tally> => {
      const times = createHistogram();
      for (let count = 0; count < answered; count++) times.record(1_000);
      return new Map([["move", { times, failures: new Map([["CONFLICT", failed]]) }]]);
    };
    expect(checkAnswers(tally(990, 10)).passed).toBe(true);
    expect(checkAnswers(tally(980, 20))).toMatchObject({
      passed: false,
      detail: expect.stringContaining("move: CONFLICT"),
    });
    expect(checkAnswers(new Map()).passed).toBe(false);
  });
});
