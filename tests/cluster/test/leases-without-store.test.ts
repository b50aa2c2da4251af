import { describe, expect, it } from "@jest/globals";
import { WarpError } from "@warp/core";
import { forEachSeed, Scheduler } from "../src/index.ts";
import { LeaseCluster, type LeaseNode } from "./lease-cluster.ts";

type Three = [LeaseNode, LeaseNode, LeaseNode];

const outcome = (call: Promise<unknown>): Promise<string | undefined> =>
  call.then(
    () => undefined,
    (error: unknown) => (WarpError.is(error) ? error.code : `not a WarpError: ${String(error)}`),
  );

/** Nodes that have nothing but their caches, and a source that they load from. */
class Source {
  value = "old";

  read(cluster: LeaseCluster, nodes: readonly LeaseNode[], key: string): Promise<unknown[]> {
    return cluster.scheduler.complete(Promise.all(nodes.map(({ warp }) => warp.getOrSet(key, () => this.value))));
  }
}

const peek = (nodes: readonly LeaseNode[], key: string) => nodes.map(({ warp }) => warp.peek(key));

async function prepared(scheduler: Scheduler) {
  const cluster = new LeaseCluster(scheduler, { stored: false });
  return { cluster, nodes: (await cluster.joinAll(["a", "b", "c"])) as Three, source: new Source() };
}

describe("without a store", () => {
  it("a revoke reaches keys that other nodes attached, and what was cached after the attach", async () => {
    const scheduler = new Scheduler(1);
    const { cluster, nodes, source } = await prepared(scheduler);
    const [a, b, c] = nodes;
    await source.read(cluster, nodes, "city:a");
    const lease = await scheduler.complete(a.warp.grantLease({ ttl: "1h" }));
    // Handed over faster than the bus.
    await scheduler.complete(b.warp.attachKey(lease, "city:a"));
    await scheduler.advance(50);
    await scheduler.complete(c.warp.attachKey(lease.id, "city:b"));
    for (const key of ["city:a", "city:b", "city:c"]) await source.read(cluster, nodes, key);
    await scheduler.advance(50);
    expect(nodes.map(({ warp }) => warp.status().leases)).toEqual([1, 1, 1]);
    source.value = "new";
    expect(await scheduler.complete(c.warp.revokeLease(lease.id))).toBe(true);
    await scheduler.advance(50);
    for (const key of ["city:a", "city:b"]) {
      expect(peek(nodes, key)).toEqual([undefined, undefined, undefined]);
      expect(await source.read(cluster, nodes, key)).toEqual(["new", "new", "new"]);
    }
    expect(peek(nodes, "city:c")).toEqual(["old", "old", "old"]);
    expect(await scheduler.complete(a.warp.revokeLease(lease))).toBe(false);
    for (const { warp } of nodes) {
      expect(await scheduler.complete(outcome(warp.attachKey(lease, "city:c")))).toBe("LEASE_ENDED");
      expect(await scheduler.complete(outcome(warp.renewLease(lease)))).toBe("LEASE_ENDED");
    }
    expect(nodes.map(({ warp }) => warp.status().leases)).toEqual([0, 0, 0]);
    await cluster.end();
  });

  it("an expiry is seen when the granter has left, however wrong the nodes' clocks are", async () => {
    const scheduler = new Scheduler(2);
    const cluster = new LeaseCluster(scheduler, { stored: false });
    const nodes: LeaseNode[] = [];
    for (const [label, skewMs] of [
      ["a", 3_600_000],
      ["b", -7_200_000],
      ["c", 0],
    ] as const)
      nodes.push(await cluster.join(label, skewMs));
    await scheduler.advance(1_100);
    const [a, b, c] = nodes as Three;
    const source = new Source();
    const lease = await scheduler.complete(a.warp.grantLease({ ttl: "10s" }));
    await scheduler.complete(a.warp.attachKey(lease, "city:a"));
    await scheduler.advance(50);
    await scheduler.complete(a.warp.close());
    await source.read(cluster, [b, c], "city:a");
    await scheduler.advance(9_800);
    expect(peek([b, c], "city:a")).toEqual(["old", "old"]);
    await scheduler.advance(800);
    expect(peek([b, c], "city:a")).toEqual([undefined, undefined]);
    await cluster.end();
  });

  it("a renewal by any node keeps the lease alive on all", async () => {
    const scheduler = new Scheduler(3);
    const { cluster, nodes, source } = await prepared(scheduler);
    const [a, b] = nodes;
    const lease = await scheduler.complete(a.warp.grantLease({ ttl: "5s" }));
    await scheduler.complete(a.warp.attachKey(lease, "city:a"));
    await scheduler.advance(50);
    await source.read(cluster, nodes, "city:a");
    await scheduler.complete(a.warp.close());
    for (let turn = 0; turn < 4; turn++) {
      await scheduler.advance(4_000);
      await scheduler.complete(b.warp.renewLease(lease.id));
    }
    expect(peek(nodes.slice(1), "city:a")).toEqual(["old", "old"]);
    await scheduler.complete(b.warp.renewLease(lease, { ttl: "1s" }));
    await scheduler.advance(1_100);
    expect(peek(nodes.slice(1), "city:a")).toEqual([undefined, undefined]);
    await cluster.end();
  });

  it("a node that joined late drops what it cached, and learns of the leases", async () => {
    const scheduler = new Scheduler(4);
    const { cluster, nodes, source } = await prepared(scheduler);
    const [a, b, c] = nodes;
    const leases = [];
    for (const key of ["city:a", "city:b", "city:c"]) {
      const lease = await scheduler.complete(a.warp.grantLease({ ttl: "1h" }));
      await scheduler.complete(b.warp.attachKey(lease, key));
      leases.push(lease);
    }
    await scheduler.advance(50);
    const [first, second, third] = leases as [(typeof leases)[0], (typeof leases)[0], (typeof leases)[0]];
    const late = await cluster.join("late");
    await scheduler.advance(1_100);
    for (const key of ["city:a", "city:b", "city:c"]) await source.read(cluster, [late], key);
    expect(await scheduler.complete(outcome(late.warp.attachKey(first.id, "city:d")))).toBe("LEASE_ENDED");
    await scheduler.complete(late.warp.attachKey(second, "city:d"));
    await source.read(cluster, [c, late], "city:d");
    expect(await scheduler.complete(a.warp.revokeLease(first))).toBe(true);
    await scheduler.advance(50);
    expect(peek([late], "city:a")).toEqual([undefined]);
    expect(await scheduler.complete(b.warp.revokeLease(second))).toBe(true);
    await scheduler.advance(50);
    expect(peek([late, c], "city:d")).toEqual([undefined, undefined]);
    await scheduler.advance(10_000);
    // By its id alone, and whoever attached it is gone.
    await scheduler.complete(b.warp.close());
    await source.read(cluster, [late], "city:c");
    expect(await scheduler.complete(late.warp.revokeLease(third.id))).toBe(true);
    await scheduler.advance(50);
    expect(peek([late], "city:c")).toEqual([undefined]);
    await cluster.end();
  });

  it("lost, late and repeated frames leave no stale copy and bring no lease back", async () => {
    await forEachSeed(500, async (scheduler) => {
      const { cluster, nodes, source } = await prepared(scheduler);
      const [a, b, c] = nodes;
      const chance = scheduler.random("scenario");
      const loss = chance.next() < 0.5 ? 0.4 : 0;
      cluster.network.faults = {
        drop: () => chance.next() < loss,
        delayMs: () => (chance.next() < 0.3 ? chance.next() * 40 : 0),
        duplicate: () => chance.next() < 0.3,
      };
      const keys = ["city:a", "city:b"] as const;
      for (const key of keys) await source.read(cluster, nodes, key);
      const lease = await scheduler.complete(a.warp.grantLease({ ttl: 2_000 }));
      const attached = await scheduler.complete(
        Promise.all([outcome(b.warp.attachKey(lease, keys[0])), outcome(c.warp.attachKey(lease, keys[1]))]),
      );
      expect(attached).toEqual([undefined, undefined]);
      for (const key of keys) await source.read(cluster, nodes, key);
      await scheduler.advance(chance.next() * 100);
      source.value = "new";
      if (chance.next() < 0.5) await scheduler.complete(b.warp.revokeLease(lease));
      await scheduler.advance(2_600);
      cluster.network.faults = {};
      await scheduler.advance(10_000);
      for (const key of keys) expect(await source.read(cluster, nodes, key)).toEqual(["new", "new", "new"]);
      expect(nodes.map(({ warp }) => warp.status().leases)).toEqual([0, 0, 0]);
      await cluster.end();
    });
  }, 3_600_000);

  it("a node that missed the end of a lease is told when it uses it", async () => {
    const scheduler = new Scheduler(5);
    const { cluster, nodes, source } = await prepared(scheduler);
    const [a, b] = nodes;
    const lease = await scheduler.complete(a.warp.grantLease({ ttl: "1h" }));
    await scheduler.advance(50);
    cluster.network.faults.drop = ({ to }) => to === "b";
    expect(await scheduler.complete(a.warp.revokeLease(lease))).toBe(true);
    await scheduler.advance(50);
    cluster.network.faults.drop = undefined;
    // It cannot know yet.
    await scheduler.complete(b.warp.attachKey(lease, "city:a"));
    await scheduler.advance(50);
    expect(await scheduler.complete(outcome(b.warp.attachKey(lease, "city:a")))).toBe("LEASE_ENDED");
    await source.read(cluster, nodes, "city:a");
    await cluster.end();
  });
});
