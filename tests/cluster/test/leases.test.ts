import { describe, expect, it } from "@jest/globals";
import { type Lease, WarpError } from "@warp/core";
import { forEachSeed, Scheduler } from "../src/index.ts";
import { LeaseCluster, type LeaseNode } from "./lease-cluster.ts";

const codeOf = (error: unknown): string => (WarpError.is(error) ? error.code : `not a WarpError: ${String(error)}`);

/** The code of a call's error, `undefined` if it succeeded. */
const outcome = (call: Promise<unknown>): Promise<string | undefined> => call.then(() => undefined, codeOf);

const read = (cluster: LeaseCluster, nodes: readonly LeaseNode[], key: string) =>
  cluster.scheduler.complete(Promise.all(nodes.map(({ warp }) => warp.find(key))));

const peek = (nodes: readonly LeaseNode[], key: string) => nodes.map(({ warp }) => warp.peek(key));

/** A cluster in which "city:a" is "old", and "city:new" holds what it is to be changed to. */
async function prepared(scheduler: Scheduler, labels: readonly string[] = ["a", "b", "c"]) {
  const cluster = new LeaseCluster(scheduler);
  const nodes = await cluster.joinAll(labels);
  const [first] = nodes as [LeaseNode];
  for (const key of ["city:a", "city:b", "city:c"]) await scheduler.complete(first.warp.set(key, "old"));
  await scheduler.complete(first.warp.set("city:new", "new"));
  await scheduler.advance(50);
  return { cluster, nodes: nodes as [LeaseNode, LeaseNode, LeaseNode] };
}

describe("with a store", () => {
  it("a revoke reaches keys that other nodes attached, and what was cached after the attach", async () => {
    const scheduler = new Scheduler(1);
    const { cluster, nodes } = await prepared(scheduler);
    const [a, b, c] = nodes;
    const lease = await scheduler.complete(a.warp.grantLease({ ttl: "1h" }));
    await read(cluster, nodes, "city:a");
    await scheduler.complete(b.warp.attachKey(lease.id, "city:a"));
    await scheduler.complete(c.warp.attachKey(lease, "city:b"));
    await read(cluster, nodes, "city:b");
    await read(cluster, nodes, "city:c");
    expect(peek(nodes, "city:a")).toEqual(["old", "old", "old"]);
    for (const key of ["city:a", "city:b", "city:c"]) cluster.changeBehind(key, "city:new");

    expect(await scheduler.complete(c.warp.revokeLease(lease.id))).toBe(true);
    await scheduler.advance(50);
    for (const key of ["city:a", "city:b"]) {
      expect(peek(nodes, key)).toEqual([undefined, undefined, undefined]);
      expect(await read(cluster, nodes, key)).toEqual(["new", "new", "new"]);
    }
    expect(peek(nodes, "city:c")).toEqual(["old", "old", "old"]);
    expect(cluster.remains()).toEqual([]);

    expect(await scheduler.complete(a.warp.revokeLease(lease))).toBe(false);
    expect(await scheduler.complete(outcome(a.warp.attachKey(lease, "city:c")))).toBe("LEASE_ENDED");
    expect(await scheduler.complete(outcome(b.warp.renewLease(lease)))).toBe("LEASE_ENDED");
    await scheduler.advance(20_000);
    expect(cluster.remains()).toEqual([]);
    expect(nodes.map(({ warp }) => warp.status().leases)).toEqual([0, 0, 0]);
    await cluster.end();
  });

  it("an expiry is seen when the granter has left, and by the store's clock", async () => {
    const scheduler = new Scheduler(2);
    const cluster = new LeaseCluster(scheduler);
    const nodes = [
      await cluster.join("a", 3_600_000),
      await cluster.join("b", -7_200_000),
      await cluster.join("c"),
    ] as [LeaseNode, LeaseNode, LeaseNode];
    await scheduler.advance(1_100);
    const [a, b, c] = nodes;
    await scheduler.complete(a.warp.set("city:a", "old"));
    await scheduler.complete(a.warp.set("city:new", "new"));
    const lease = await scheduler.complete(a.warp.grantLease({ ttl: "10s" }));
    expect(Math.abs(lease.expiresAt - cluster.server.now() - 10_000)).toBeLessThan(20);
    await scheduler.complete(a.warp.attachKey(lease, "city:a"));
    await scheduler.complete(a.warp.close());
    expect(await read(cluster, [b, c], "city:a")).toEqual(["old", "old"]);
    cluster.changeBehind("city:a", "city:new");
    while (cluster.server.now() < lease.expiresAt - 100) await scheduler.advance(50);
    expect(peek([b, c], "city:a")).toEqual(["old", "old"]);
    while (cluster.server.now() < lease.expiresAt + 600) await scheduler.advance(50);
    expect(peek([b, c], "city:a")).toEqual([undefined, undefined]);
    expect(await read(cluster, [b, c], "city:a")).toEqual(["new", "new"]);
    expect(await scheduler.complete(outcome(b.warp.attachKey(lease, "city:a")))).toBe("LEASE_ENDED");
    await scheduler.advance(10_000);
    expect(cluster.remains()).toEqual([]);
    await cluster.end();
  });

  it("a renewed lease lives on, on every node", async () => {
    const scheduler = new Scheduler(3);
    const { cluster, nodes } = await prepared(scheduler);
    const [a, b] = nodes;
    const lease = await scheduler.complete(a.warp.grantLease({ ttl: "5s" }));
    await scheduler.complete(a.warp.attachKey(lease, "city:a"));
    await read(cluster, nodes, "city:a");
    let renewed: Lease = lease;
    for (let turn = 0; turn < 4; turn++) {
      await scheduler.advance(4_000);
      const before = renewed.expiresAt;
      renewed = await scheduler.complete(b.warp.renewLease(lease.id));
      expect(renewed).toMatchObject({ id: lease.id });
      expect(renewed.expiresAt - before).toBeGreaterThan(3_900);
    }
    expect(peek(nodes, "city:a")).toEqual(["old", "old", "old"]);
    const short = await scheduler.complete(b.warp.renewLease(renewed, { ttl: "2s" }));
    expect(short.expiresAt).toBeLessThan(renewed.expiresAt);
    await scheduler.advance(2_700);
    expect(peek(nodes, "city:a")).toEqual([undefined, undefined, undefined]);
    await cluster.end();
  });

  it("a node that joins later sees an expiry that nobody else is left to see", async () => {
    const scheduler = new Scheduler(4);
    const { cluster, nodes } = await prepared(scheduler);
    const [a, b, c] = nodes;
    const lease = await scheduler.complete(a.warp.grantLease({ ttl: "20s" }));
    await scheduler.complete(a.warp.attachKey(lease, "city:a"));
    const late = await cluster.join("late");
    await scheduler.advance(2_000);
    for (const { warp } of [a, b, c]) await scheduler.complete(warp.close());
    expect(await scheduler.complete(late.warp.get("city:a"))).toBe("old");
    await scheduler.complete(late.warp.attachKey(lease.id, "city:b"));
    await scheduler.complete(late.warp.get("city:b"));
    await scheduler.advance(12_000);
    expect(peek([late], "city:a")).toEqual(["old"]);
    await scheduler.advance(7_000);
    expect([late.warp.peek("city:a"), late.warp.peek("city:b")]).toEqual([undefined, undefined]);
    expect(cluster.remains()).toEqual([]);
    await scheduler.complete(late.warp.close());
  });

  it("attaches of one key that all come too late leave nothing", async () => {
    await forEachSeed(300, async (scheduler) => {
      const { cluster, nodes } = await prepared(scheduler, ["a"]);
      const [{ warp }] = nodes;
      const lease = await scheduler.complete(warp.grantLease({ ttl: "1h" }));
      await scheduler.complete(warp.attachKey(lease, "city:a"));
      const attach = () => outcome(warp.attachKey(lease, "city:a"));
      const calls = Promise.all([
        warp.revokeLease(lease),
        attach(),
        attach(),
        attach(),
        warp.revokeLease(lease),
        attach(),
      ]);
      const [first, , , , second] = await scheduler.complete(calls);
      expect([first, second]).toEqual([true, false]);
      const late = await scheduler.complete(Promise.all([attach(), attach()]));
      expect(late).toEqual(["LEASE_ENDED", "LEASE_ENDED"]);
      await scheduler.complete(warp.flush());
      expect(cluster.remains()).toEqual([]);
      expect(warp.publishErrors()).toMatchObject({ dropped: 0, counts: new Map() });
      await cluster.end();
    });
  }, 120_000);

  it("a dirty key is flushed, then dropped", async () => {
    const scheduler = new Scheduler(5);
    const { cluster, nodes } = await prepared(scheduler);
    const [a, b] = nodes;
    const lease = await scheduler.complete(a.warp.grantLease({ ttl: "1h" }));
    await scheduler.complete(a.warp.attachKey(lease, "figure:a"));
    b.faults.loseRequest = 1;
    await scheduler.complete(b.warp.set("figure:a", 7));
    expect(await scheduler.complete(a.warp.revokeLease(lease))).toBe(true);
    await scheduler.advance(100);
    expect(b.warp.peek("figure:a")).toBe(7);
    b.faults.loseRequest = 0;
    await scheduler.advance(30_000);
    expect(b.warp.peek("figure:a")).toBeUndefined();
    expect(await read(cluster, nodes, "figure:a")).toEqual([7, 7, 7]);
    await cluster.end();
  });

  it("thousands of keys are dropped", async () => {
    const scheduler = new Scheduler(6);
    const { cluster, nodes } = await prepared(scheduler);
    const [a, b, c] = nodes;
    const keys = Array.from({ length: 2_345 }, (_, index) => `city:many:${index}`);
    await scheduler.complete(a.warp.setMany(keys.map((key) => [key, "old"] as const)));
    await scheduler.complete(Promise.all([b.warp.getMany(keys), c.warp.getMany(keys)]));
    const lease = await scheduler.complete(a.warp.grantLease({ ttl: "1h" }));
    await scheduler.complete(Promise.all(keys.map((key) => b.warp.attachKey(lease, key))));
    expect(cluster.remains().length).toBe(keys.length + 1);
    expect(await scheduler.complete(c.warp.revokeLease(lease))).toBe(true);
    await scheduler.advance(100);
    expect(keys.filter((key) => [b, c].some(({ warp }) => warp.peek(key) !== undefined))).toEqual([]);
    expect(cluster.remains()).toEqual([]);
    await cluster.end();
  });

  it("whoever revokes and dies before the drops has others finish it", async () => {
    await forEachSeed(200, async (scheduler) => {
      const { cluster, nodes } = await prepared(scheduler);
      const [a, b, c] = nodes;
      const lease = await scheduler.complete(a.warp.grantLease({ ttl: "1h" }));
      await scheduler.complete(b.warp.attachKey(lease, "city:a"));
      await scheduler.complete(c.warp.attachKey(lease, "city:b"));
      await read(cluster, nodes, "city:a");
      await read(cluster, nodes, "city:b");
      cluster.changeBehind("city:a", "city:new");
      cluster.changeBehind("city:b", "city:new");
      const revoke = outcome(a.warp.revokeLease(lease));
      await scheduler.run({ until: () => cluster.state(lease.id)?.ended === true });
      await scheduler.advance(scheduler.random("crash").next() * 12);
      scheduler.crash(a.clock);
      void revoke;
      expect(await scheduler.complete(outcome(b.warp.attachKey(lease, "city:c")))).toBe("LEASE_ENDED");
      await scheduler.advance(15_000);
      expect(cluster.remains()).toEqual([]);
      expect(await read(cluster, [b, c], "city:a")).toEqual(["new", "new"]);
      expect(await read(cluster, [b, c], "city:b")).toEqual(["new", "new"]);
      await cluster.end();
    });
  }, 120_000);

  it("a node that starts finds the lease that a dead one left unfinished", async () => {
    const scheduler = new Scheduler(7);
    const { cluster, nodes } = await prepared(scheduler, ["a"]);
    const [a] = nodes;
    const lease = await scheduler.complete(a.warp.grantLease({ ttl: "1h" }));
    for (const key of ["city:a", "city:b"]) await scheduler.complete(a.warp.attachKey(lease, key));
    void outcome(a.warp.revokeLease(lease));
    await scheduler.run({ until: () => cluster.state(lease.id)?.ended === true });
    scheduler.crash(a.clock);
    expect(cluster.remains().length).toBe(3);
    await cluster.join("b");
    await scheduler.advance(10_000);
    expect(cluster.remains()).toEqual([]);
    await cluster.end();
  });

  it("an attach that resolves is dropped by the revoke that races it; one that comes too late says so", async () => {
    const seen = new Map<string, number>();
    await forEachSeed(1_000, async (scheduler) => {
      const { cluster, nodes } = await prepared(scheduler);
      const [a, b, c] = nodes;
      const chance = scheduler.random("scenario");
      const lease = await scheduler.complete(a.warp.grantLease({ ttl: "1h" }));
      await read(cluster, nodes, "city:a");
      cluster.changeBehind("city:a", "city:new");
      const later = async <T>(call: () => Promise<T>): Promise<T> => {
        await scheduler.delay(chance.next() * 25);
        return await call();
      };
      const reading = nodes.map(({ warp }) => later(() => warp.get("city:a")));
      const calls = Promise.all([
        later(() => outcome(b.warp.attachKey(lease, "city:a"))),
        later(() => outcome(c.warp.attachKey(lease, "city:a"))),
        later(() => a.warp.revokeLease(lease)),
        later(() => b.warp.revokeLease(lease)),
      ]);
      const [first, second, one, other] = await scheduler.complete(calls);
      await scheduler.complete(Promise.all(reading));
      expect([one, other].filter((ended) => ended).length).toBe(1);
      for (const code of [first, second]) expect([undefined, "LEASE_ENDED"]).toContain(code);
      await scheduler.advance(50);
      if (first === undefined || second === undefined)
        expect(await read(cluster, nodes, "city:a")).toEqual(["new", "new", "new"]);
      const kind = `${first ?? "attached"} ${second ?? "attached"}`;
      seen.set(kind, (seen.get(kind) ?? 0) + 1);
      await scheduler.advance(7_000);
      expect(cluster.remains()).toEqual([]);
      await cluster.end();
    });
    // All ways it can go were gone.
    if (process.env.WARP_SEED === undefined) expect(seen.size).toBe(4);
  }, 3_600_000);

  it("a renewal that races the expiry wins or is refused, on all nodes alike", async () => {
    const seen = new Map<string, number>();
    await forEachSeed(500, async (scheduler) => {
      const { cluster, nodes } = await prepared(scheduler);
      const [a, b, c] = nodes;
      const chance = scheduler.random("scenario");
      const lease = await scheduler.complete(a.warp.grantLease({ ttl: 1_000 }));
      await scheduler.complete(c.warp.attachKey(lease, "city:a"));
      await read(cluster, nodes, "city:a");
      cluster.changeBehind("city:a", "city:new");
      const leftMs = lease.expiresAt - cluster.server.now();
      await scheduler.advance(leftMs - 15 + chance.next() * 20);
      const renewal = b.warp.renewLease(lease, { ttl: "3s" });
      const ended = await scheduler.complete(outcome(renewal));
      expect([undefined, "LEASE_ENDED"]).toContain(ended);
      seen.set(ended ?? "renewed", (seen.get(ended ?? "renewed") ?? 0) + 1);
      await scheduler.advance(2_000);
      if (ended === undefined) {
        expect(cluster.state(lease.id)).toEqual({ ttlMs: 3_000, ended: false });
        expect(peek(nodes, "city:a")).toEqual(["old", "old", "old"]);
        await scheduler.complete(c.warp.attachKey(lease, "city:b"));
      }
      await scheduler.advance(5_000);
      expect(cluster.remains()).toEqual([]);
      expect(await read(cluster, nodes, "city:a")).toEqual(["new", "new", "new"]);
      await cluster.end();
    });
    if (process.env.WARP_SEED === undefined) expect(seen.size).toBe(2);
  }, 3_600_000);

  it("lost frames and lost requests and replies of the store leave no stale copy", async () => {
    await forEachSeed(300, async (scheduler) => {
      const { cluster, nodes } = await prepared(scheduler);
      const [a, b, c] = nodes;
      const chance = scheduler.random("scenario");
      await read(cluster, nodes, "city:a");
      await read(cluster, nodes, "city:b");
      cluster.network.faults.drop = () => chance.next() < 0.4;
      for (const { faults } of nodes) Object.assign(faults, { loseRequest: 0.1, loseReply: 0.1 });
      const granted = await scheduler.complete(a.warp.grantLease({ ttl: 3_000 }).catch(() => undefined));
      const attached =
        granted === undefined
          ? []
          : await scheduler.complete(
              Promise.all([
                outcome(b.warp.attachKey(granted, "city:a")),
                outcome(c.warp.attachKey(granted.id, "city:b")),
                ...(chance.next() < 0.5 ? [outcome(c.warp.renewLease(granted, { ttl: 1_000 }))] : []),
              ]),
            );
      for (const code of attached)
        expect([undefined, "OUTCOME_UNKNOWN", "UNAVAILABLE", "DEADLINE_EXCEEDED", "LEASE_ENDED"]).toContain(code);
      for (const key of ["city:a", "city:b"]) cluster.changeBehind(key, "city:new");
      if (granted !== undefined && chance.next() < 0.5) await scheduler.complete(outcome(b.warp.revokeLease(granted)));
      await scheduler.advance(2_000);
      cluster.network.faults.drop = undefined;
      for (const { faults } of nodes) Object.assign(faults, { loseRequest: 0, loseReply: 0 });
      await scheduler.advance(20_000);
      if (attached[0] === undefined && granted !== undefined)
        expect(await read(cluster, nodes, "city:a")).toEqual(["new", "new", "new"]);
      if (attached[1] === undefined && granted !== undefined)
        expect(await read(cluster, nodes, "city:b")).toEqual(["new", "new", "new"]);
      expect(nodes.map(({ warp }) => warp.status().leases)).toEqual([0, 0, 0]);
      expect(cluster.remains().filter((key) => key.includes("lease"))).toEqual([]);
      await cluster.end();
    });
  }, 3_600_000);

  it("an expiry while the store is away is acted on when it is back", async () => {
    const scheduler = new Scheduler(8);
    const { cluster, nodes } = await prepared(scheduler);
    const [a] = nodes;
    const lease = await scheduler.complete(a.warp.grantLease({ ttl: "5s" }));
    await scheduler.complete(a.warp.attachKey(lease, "city:a"));
    await read(cluster, nodes, "city:a");
    cluster.changeBehind("city:a", "city:new");
    for (const { faults } of nodes) faults.loseRequest = 1;
    await scheduler.advance(60_000);
    expect(cluster.state(lease.id)).toEqual({ ttlMs: 5_000, ended: false });
    for (const { faults } of nodes) faults.loseRequest = 0;
    await scheduler.advance(30_000);
    expect(cluster.remains()).toEqual([]);
    expect(peek(nodes, "city:a")).toEqual([undefined, undefined, undefined]);
    await cluster.end();
  });

  it("a granter that leaves without waiting has its lease ended again", async () => {
    const scheduler = new Scheduler(9);
    const { cluster, nodes } = await prepared(scheduler);
    const [a] = nodes;
    a.faults.maxMs = 200;
    const codes: (string | undefined)[] = [];
    for (let turn = 0; turn < 50; turn++)
      codes.push(
        await scheduler.complete(outcome(a.warp.grantLease({ ttl: Number.POSITIVE_INFINITY, hardTimeout: 20 }))),
      );
    expect(codes).toContain("OUTCOME_UNKNOWN");
    await scheduler.advance(20_000);
    expect(cluster.remains().length).toBe(codes.filter((code) => code === undefined).length);
    await cluster.end();
  });
});
