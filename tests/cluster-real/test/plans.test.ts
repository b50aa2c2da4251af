import { describe, expect, it } from "@jest/globals";
import { planOf } from "../src/plans.ts";
import type { Combination } from "../src/protocol.ts";
import { runsOn } from "./matrix.ts";

const kinds: readonly (readonly [string, RegExp])[] = [
  ["a node is killed", /^kill node \d$/],
  ["a node is frozen", /^freeze node \d$/],
  ["a line to the bus is cut", /^cut the line of node \d to the bus$/],
  ["the broker is killed and started again", /^kill server \d of the bus$/],
  ["the store is killed and started again", /^kill server 0 of the store$/],
  ["the store is frozen", /^freeze server 0 of the store$/],
  ["Redis is killed and started again", /^kill server 0 of the cache$/],
  ["Redis is frozen", /^freeze server 0 of the cache$/],
];
/** Without the shared tier. */
const kindsInMemory = kinds.slice(0, 6);

const namesIn = (plan: ReturnType<typeof planOf>): string[] => plan.map(({ fault }) => fault.name);

describe("a plan of faults", () => {
  it.each(kinds)("of the short runs, all together: %s", (_, kind) => {
    const names = [...runsOn("pg"), ...runsOn("s3")].flatMap(({ plan }) => namesIn(plan));
    expect(names).toContainEqual(expect.stringMatching(kind));
  });

  it.each(["pg", "s3"] as const)("of the short runs on %s alone has every kind that needs no Redis", (store) => {
    const names = runsOn(store).flatMap(({ plan }) => namesIn(plan));
    for (const [, kind] of kindsInMemory) expect(names).toContainEqual(expect.stringMatching(kind));
  });

  it.each([1, 2, 3, 4, 5])("that is long enough leaves out no kind: seed %d", (seed) => {
    const combination: Combination = { bus: "kafka", store: "s3", cache: "memory+redis" };
    const names = namesIn(planOf({ seed, combination, nodes: 4, calls: 6_000, faults: 10 }));
    expect(names).toHaveLength(10);
    for (const [, kind] of kinds) expect(names).toContainEqual(expect.stringMatching(kind));
  });

  it("has the death of the master where Sentinel watches", () => {
    const combination: Combination = { bus: "nats", store: "pg", cache: "memory+sentinel" };
    expect(namesIn(planOf({ seed: 1, combination, nodes: 4, calls: 6_000, faults: 10 }))).toContain(
      "kill the master of Redis",
    );
  });

  it("is the same for the same seed, and another for another one", () => {
    const combination: Combination = { bus: "nats", store: "pg", cache: "memory" };
    const options = { combination, nodes: 4, calls: 6_000, faults: 10 };
    expect(namesIn(planOf({ ...options, seed: 1 }))).toEqual(namesIn(planOf({ ...options, seed: 1 })));
    expect(namesIn(planOf({ ...options, seed: 1 }))).not.toEqual(namesIn(planOf({ ...options, seed: 2 })));
  });
});
