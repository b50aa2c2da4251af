import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { Journal } from "../src/checks.ts";
import { Cluster } from "../src/cluster.ts";
import { countInvalidations } from "../src/invalidations.ts";
import { copiesThatOutliveLease } from "../src/leases.ts";
import type { Combination } from "../src/protocol.ts";
import { Site } from "../src/site.ts";

const site = new Site();
afterAll(() => site.stop());
const combination: Combination = { bus: "nats", store: "pg", cache: "memory+redis" };

describe("copies that another process overtook", () => {
  it("none is lost, though the bus is cut, stalled, frozen and restarted while the news travel", async () => {
    const figures = await countInvalidations({
      ...{ site, combination, seed: 11, nodes: 3, keys: 300, invalidations: 6_000, faultEvery: 2 },
    });
    expect(figures).toMatchObject({ lost: 0 });
    expect(figures.invalidations).toBeGreaterThanOrEqual(6_000);
    expect(figures.faults).toBeGreaterThan(3);
  });

  it("the check sees it where nodes do not tell each other", async () => {
    const figures = await countInvalidations({
      ...{ site, combination: { ...combination, cache: "memory" }, seed: 12, nodes: 2, keys: 50, invalidations: 50 },
      ...{ faultEvery: 0, withoutBus: true, settlesWithinMs: 2_000 },
    });
    expect(figures.lost).toBe(50);
  });
});

describe("copies of keys that a lease groups", () => {
  let cluster: Cluster;
  const journal = new Journal();
  const keys = Array.from({ length: 20 }, (_, at) => `plain:${at}`);
  beforeAll(async () => {
    cluster = await Cluster.start({ site, combination, journal, seed: 13, nodes: 3, maxEntries: 100 });
  });
  afterAll(() => cluster.stop());

  it("go on every node when another node than the granter revokes it", async () => {
    expect(await copiesThatOutliveLease(cluster, keys, "revoke")).toBe(0);
  });

  it("go on every node when it expires, though the granter was killed", async () => {
    expect(await copiesThatOutliveLease(cluster, keys, "expire", () => cluster.kill(0))).toBe(0);
    expect(journal.problems).toEqual([]);
  });
});
