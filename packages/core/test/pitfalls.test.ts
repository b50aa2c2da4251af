import { describe, expect, it } from "@jest/globals";
import { MemoryStore, type Warp, type WarpOptions } from "../src/index.ts";
import { Cluster, never, watched } from "./support/cluster.ts";
import { CountingStore } from "./support/counting-store.ts";
import { Faults } from "./support/faults.ts";
import { failOnUnhandledRejections, watch } from "./support/outcomes.ts";

failOnUnhandledRejections();

/** A member of the cluster whose reads of the store are counted. */
const countedMember = async (
  cluster: Cluster,
  name: string,
  options: WarpOptions = {},
): Promise<{ warp: Warp; store: CountingStore }> => {
  const store = new CountingStore(cluster.store());
  return { warp: await cluster.member(name, { store, ...options }), store };
};

describe("a message", () => {
  it("from a sender that is heard for the first time, from its beginning, is no gap", async () => {
    const cluster = new Cluster();
    const a = await cluster.member("a");
    await cluster.run(a.set("k:1", "v"));
    await cluster.clock.advance(3_000);
    const b = await cluster.member("b");
    await cluster.run(b.set("k:2", "v"));
    await cluster.clock.advance(3_000);
    expect(a.nodes()).toEqual(["a", "b"]);
    expect(a.status().suspects).toBe(0);
    expect(a.peek("k:1")).toBe("v");
  });

  it("about a change makes the other nodes forget, and none of them read", async () => {
    const cluster = new Cluster();
    const a = await cluster.member("a");
    const { warp: b, store } = await countedMember(cluster, "b");
    await cluster.run(a.set("k:1", "v"));
    await cluster.settle();
    await cluster.run(b.get("k:1"));
    expect(b.peek("k:1")).toBe("v");
    const before = store.reads;
    await cluster.run(a.set("k:1", "w"));
    await cluster.clock.advance(5_000);
    expect(b.peek("k:1")).toBeUndefined();
    expect(store.reads).toBe(before);
  });
});

describe("the bus", () => {
  it("never carries a value", async () => {
    const cluster = new Cluster();
    const frames: Uint8Array[] = [];
    cluster.network.faults.drop = ({ frame }) => {
      frames.push(frame);
      return false;
    };
    const a = await cluster.member("a", { sharedCache: cluster.sharedCache() });
    const b = await cluster.member("b", { sharedCache: cluster.sharedCache() });
    const secret = "the-value-itself";
    await cluster.clock.advance(4_500);
    await cluster.run(a.set("k:1", secret));
    await cluster.run(b.setMany([["k:2", { secret }]]));
    await cluster.run(a.getOrSet("k:3", () => secret));
    await cluster.run(b.transaction((tx) => void tx.set("k:4", secret)));
    const lease = await cluster.run(a.grantLease({ ttl: "1s" }));
    await cluster.run(a.attachKey(lease, "k:1"));
    await cluster.clock.advance(3_000);
    await cluster.run(a.clear());
    await cluster.settle();
    expect(frames.length).toBeGreaterThan(10);
    expect(frames.some((frame) => Buffer.from(frame).includes("k:1"))).toBe(true);
    expect(frames.some((frame) => Buffer.from(frame).includes(secret))).toBe(false);
  });

  it("is shared with another cluster without hearing it, not even its clear", async () => {
    const cluster = new Cluster();
    const shop = await cluster.member("a", { cluster: "shop" });
    await cluster.run(shop.set("k:1", "v"));
    const other = await cluster.member("b", { cluster: "blog" });
    await cluster.run(other.set("k:2", "v"));
    await cluster.run(other.clear());
    await cluster.clock.advance(3_000);
    expect(shop.peek("k:1")).toBe("v");
    expect(shop.nodes()).toEqual(["a"]);
  });

  it("that is down keeps no write from its caller; what waits is counted, the reason told, and all of it sent", async () => {
    const cluster = new Cluster();
    const a = await cluster.member("a");
    const b = await cluster.member("b");
    await cluster.run(a.setMany([...Array(20).keys()].map((i) => [`k:${i}`, "old"] as const)));
    const keys = [...Array(20).keys()].map((i) => `k:${i}`);
    await cluster.settle();
    await cluster.run(b.getMany(keys));
    cluster.network.disconnect("a");
    for (let round = 0; round < 5; round++) for (const key of keys) await cluster.run(a.set(key, `new ${round}`));
    await cluster.clock.advance(500);
    // One slot for each key, however often it was written, beside the frame that the transport refuses.
    expect(a.status()).toMatchObject({ outbox: keys.length + 1, ports: { bus: "degraded" } });
    const { value: error } = await a.publishErrors()[Symbol.asyncIterator]().next();
    expect(error).toMatchObject({ code: "UNAVAILABLE", operation: "publish", port: "bus" });
    expect(String(error.cause)).toContain("disconnected");
    cluster.network.reconnect("a");
    await cluster.clock.advance(3_000);
    expect(a.status().outbox).toBe(0);
    for (const key of keys) expect(await cluster.run(b.get(key))).toBe("new 4");
  });

  it("that never takes anything makes the outbox one DropAll, not a growing heap", async () => {
    const cluster = new Cluster();
    const a = await cluster.member("a", { store: cluster.store() });
    cluster.network.disconnect("a");
    const entries = [...Array(12_000).keys()].map((i) => [`k:${i}`, i] as const);
    await cluster.run(a.setMany(entries));
    await cluster.clock.advance(100);
    expect(a.status().outbox).toBeLessThanOrEqual(10_000);
  });
});

describe("when everything fails at once", () => {
  const calls = (warp: Warp): readonly Promise<unknown>[] => [
    warp.get("k:1"),
    warp.find("k:1"),
    warp.getOrSet("k:2", () => 1),
    warp.getOrSet("k:3", () => Promise.reject(new Error("loader"))),
    warp.getOrSet("k:4", () => never),
    warp.getMany(["k:1", "k:5"]),
    warp.getOrSetMany(["k:6", "k:7"], () => Promise.reject(new Error("loader"))),
    warp.set("k:1", 1),
    warp.set("n:1", 1),
    warp.set("here:1", 1),
    warp.setMany([
      ["k:1", 1],
      ["k:2", 2],
    ]),
    warp.delete("k:1"),
    warp.invalidate("k:1"),
    warp.clear(),
    warp.warmup(),
    warp.transaction((tx) => void tx.set("k:1", 1).set("k:2", 2)),
    warp.getAt("k:1", 0),
    warp.grantLease({ ttl: "1s" }),
    warp.inspect("k:1"),
    warp.flush(),
  ];

  for (const mode of ["refuses", "silent"] as const) {
    it(`every call ends and no rejection is left unhandled: every port ${mode}`, async () => {
      const cluster = new Cluster();
      const faults = new Faults(cluster.clock);
      const store = new MemoryStore({ clock: cluster.clock, pause: faults.pause });
      const { port: sharedCache, faults: shared } = watched(cluster.sharedCache());
      const { port: bus, faults: transport } = watched(cluster.bus());
      const warp = await cluster.member("a", { store, sharedCache, bus });
      warp.register("here:*", { mode: "strong-local", ttl: "1h" });
      await cluster.clock.advance(2_000);
      faults.mode = mode;
      const fail = mode === "silent" ? () => never : () => Promise.reject(new Error("connection refused"));
      shared.before = (method) => (method === "onRollback" ? undefined : fail());
      transport.before = fail;
      const ends = calls(warp).map(watch);
      await cluster.clock.advance(35_000);
      expect(ends.map(({ state }) => state)).not.toContain("pending");
      const closing = watch(warp.close());
      await cluster.clock.advance(15_000);
      expect([closing.state, closing.code]).toEqual(["rejected", "DEADLINE_EXCEEDED"]);
    });
  }
});
