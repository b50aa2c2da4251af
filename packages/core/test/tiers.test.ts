import { describe, expect, it } from "@jest/globals";
import { MemorySharedCache, type StoredRecord, type Warp } from "../src/index.ts";
import { failOnUnhandledRejections, failureOf, watch } from "./support/outcomes.ts";
import { ReadWorld } from "./support/read-world.ts";
import { settle } from "./support/virtual-clock.ts";

failOnUnhandledRejections();

const never = (): never => {
  throw new Error("this loader must not run");
};

/** Forgets what the local tier has of a pattern, and nothing else. */
const forgetLocally = async (node: Warp, pattern: string, ttl: "1h" | "10s" = "1h"): Promise<void> => {
  await node.unregister(pattern);
  node.register(pattern, { ttl });
};

describe.each(["eventual-distributed", "strong-distributed"] as const)(
  "a record under an intent, of a %s key",
  (mode) => {
    it("is served, and no copy of it is kept", async () => {
      const world = new ReadWorld();
      const node = await world.readyNode({ bus: true });
      node.register("k", { mode, ttl: "1h" });
      await node.set("k", 1);
      const getMany = world.store.getMany.bind(world.store);
      const get = world.store.get.bind(world.store);
      const marked = (record: StoredRecord | "unchanged" | undefined): typeof record =>
        typeof record === "object" ? { ...record, underIntent: true } : record;
      world.store.getMany = async (...call) => (await getMany(...call)).map(marked);
      world.store.get = async (key, _, ...rest) => marked(await get(key, undefined, ...rest));
      expect(await node.get("k", { refresh: true })).toBe(1);
      expect(node.peek("k")).toBeUndefined();
    });
  },
);

describe("a local tier only", () => {
  it("serves hits without asking anybody", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "1h" });
    await node.set("k", 1);
    const { reads } = world.store;
    for (let hit = 0; hit < 100; hit++) expect(await node.get("k")).toBe(1);
    expect(world.store.reads).toBe(reads);
    expect(world.metrics.count("hits_total", { tier: "local", pattern: "k" })).toBe(100);
  });

  it("expires to the millisecond, and reads the store again then", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "10s" });
    await node.set("k", 1);
    await world.clock.advance(9_999);
    expect(node.peek("k")).toBe(1);
    await world.clock.advance(1);
    expect(node.peek("k")).toBeUndefined();
    expect(await node.get("k")).toBe(1);
    expect(world.store.reads).toBe(1);
    expect(node.peek("k")).toBe(1);
  });

  it("an expired value is asked about by its revision and moves no bytes if it has not changed", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "10s" });
    await node.set("k", "x".repeat(1_000));
    await world.clock.advance(10_000);
    expect(await node.get("k")).toBe("x".repeat(1_000));
    expect(world.store.bytesRead).toBe(0);
  });
});

describe("a shared tier only", () => {
  it("serves reads of every node without the store", async () => {
    const world = new ReadWorld();
    const node = await world.readyNode({ shared: true }, { localCache: false });
    node.register("k", { ttl: "1h" });
    await node.set("k", 1);
    expect(await node.get("k")).toBe(1);
    await settle();
    const { reads } = world.store;
    expect(await node.get("k")).toBe(1);
    expect(await node.getOrSet("k", never)).toBe(1);
    expect(world.store.reads).toBe(reads);
    expect(node.peek("k")).toBeUndefined();
    expect(await node.inspect("k")).toMatchObject({ tier: "shared", suspect: false, leftMs: 3_600_000, ageMs: 0 });
    expect(world.metrics.count("hits_total", { tier: "shared", pattern: "k" })).toBe(2);
    expect(node.status().ports).toMatchObject({ localCache: "absent", sharedCache: "up" });
  });

  it("reads of one turn of the event loop are one round trip", async () => {
    const world = new ReadWorld();
    const node = await world.readyNode({ shared: true, store: false }, { localCache: false });
    node.register("k*", { ttl: "1h" });
    await node.getOrSetMany(["k1", "k2", "k3"], ({ keys }) => new Map(keys.map((key) => [key, key])));
    await settle();
    const { reads } = world.shared;
    expect(await Promise.all([node.get("k1"), node.get("k2"), node.get("k3")])).toEqual(["k1", "k2", "k3"]);
    expect(world.shared.reads - reads).toBe(1);
  });

  it("without any cache every read asks the store", async () => {
    const world = new ReadWorld();
    const node = world.node({}, { localCache: false });
    node.register("k", { ttl: "1h" });
    await node.set("k", 1);
    expect(await node.get("k")).toBe(1);
    expect(await node.get("k")).toBe(1);
    expect(world.store.reads).toBe(2);
  });
});

describe("both tiers", () => {
  it("a shared hit fills the local tier with what is left of the TTL as the shared tier reports it", async () => {
    const world = new ReadWorld();
    const parts = { shared: true, bus: true };
    const [a, b] = [await world.readyNode(parts), await world.readyNode(parts)];
    for (const node of [a, b]) node.register("k", { ttl: "10s" });
    await a.getOrSet("k", () => 1, { persist: "none" });
    await world.clock.advance(4_000);
    // b's own reading of the wall clock plays no part.
    world.clock.jumpWall(-3_600_000);
    expect(await b.getOrSet("k", never)).toBe(1);
    expect(await b.inspect("k")).toMatchObject({ tier: "local", leftMs: 6_000, ageMs: 4_000 });
    await world.clock.advance(5_999);
    expect(b.peek("k")).toBe(1);
    await world.clock.advance(1);
    expect(b.peek("k")).toBeUndefined();
  });

  it("of the time left the grace for fail-safe is no part", async () => {
    const world = new ReadWorld();
    const parts = { shared: true, bus: true };
    const [a, b] = [await world.readyNode(parts), await world.readyNode(parts)];
    for (const node of [a, b]) node.register("k", { ttl: "10s", failSafe: "1h" });
    await a.getOrSet("k", () => 1, { persist: "none" });
    await world.clock.advance(4_000);
    expect(await b.getOrSet("k", never)).toBe(1);
    expect(await b.inspect("k")).toMatchObject({ leftMs: 6_000 });
  });

  it("a value that never expires does so in every tier", async () => {
    const world = new ReadWorld();
    const parts = { shared: true, bus: true };
    const [a, b] = [await world.readyNode(parts), await world.readyNode(parts)];
    for (const node of [a, b]) node.register("k", { ttl: Number.POSITIVE_INFINITY, failSafe: "1h" });
    await a.getOrSet("k", () => 1, { persist: "none" });
    await world.clock.advance(60_000);
    expect(await b.getOrSet("k", never)).toBe(1);
    const forever = { leftMs: Number.POSITIVE_INFINITY, ageMs: undefined };
    expect(await a.inspect("k")).toMatchObject({ tier: "local", ...forever });
    expect(await b.inspect("k")).toMatchObject({ tier: "local", ...forever });
    await b.unregister("k");
    b.register("k", { ttl: Number.POSITIVE_INFINITY });
    expect(await b.inspect("k")).toMatchObject({ tier: "shared", ...forever });
  });

  it("a miss in both is asked of the store once and fills both", async () => {
    const world = new ReadWorld();
    const node = await world.readyNode({ shared: true });
    node.register("k", { ttl: "1h" });
    await node.set("k", 1);
    await node.invalidate("k");
    expect(await node.get("k")).toBe(1);
    await settle();
    await forgetLocally(node, "k");
    expect(await node.inspect("k")).toMatchObject({ tier: "shared" });
    const { reads } = world.store;
    expect(await node.get("k")).toBe(1);
    expect(world.store.reads).toBe(reads);
    expect(world.metrics.count("hits_total", { tier: "store" })).toBe(1);
    expect(world.metrics.count("hits_total", { tier: "shared" })).toBe(1);
  });

  it("a fill that another node's write overtook does not land in the shared tier", async () => {
    const world = new ReadWorld();
    const parts = { shared: true, bus: true };
    const [a, b] = [await world.readyNode(parts), await world.readyNode(parts)];
    for (const node of [a, b]) node.register("k", { ttl: "1h" });
    await a.set("k", "old");
    world.storeFaults.latencyMs = 10;
    const read = b.get("k");
    await world.clock.advance(15);
    world.storeFaults.latencyMs = 0;
    await a.set("k", "new");
    await world.clock.advance(100);
    expect(await read).toBe("old");
    expect(await b.get("k")).toBe("new");
    await settle();
    await forgetLocally(b, "k");
    expect(await b.get("k")).toBe("new");
  });

  it("a shared tier that forgets everything costs a miss, never a wrong answer", async () => {
    const world = new ReadWorld();
    const parts = { shared: true, bus: true };
    const node = await world.readyNode(parts);
    node.register("k", { ttl: "1h" });
    await node.set("k", 1);
    await node.get("k");
    world.sharedData.clear();
    await forgetLocally(node, "k");
    expect(await node.get("k")).toBe(1);
  });

  it("a shared tier that went back in time is not believed", async () => {
    const world = new ReadWorld();
    const node = await world.readyNode({ shared: true, bus: true });
    node.register("k", { ttl: "1h" });
    await node.set("k", "old");
    await node.invalidate("k");
    await node.get("k");
    await settle();
    const failOver = world.sharedData.snapshot();
    await node.set("k", "new");
    await node.get("k", { refresh: true });
    await settle();
    failOver();
    world.sharedTier.disconnect();
    world.sharedTier.reconnect();
    await forgetLocally(node, "k");
    expect(await node.get("k")).toBe("new");
  });

  it("entries of another epoch are asked about: unchanged ones move no bytes and count as revalidated", async () => {
    const world = new ReadWorld();
    const node = await world.readyNode({ shared: true });
    node.register("k", { ttl: "1h" });
    await node.set("k", "x".repeat(1_000));
    await node.invalidate("k");
    await node.get("k");
    await settle();
    // Without a bus a node trusts only an epoch that it set itself.
    const other = await world.readyNode({ shared: true });
    other.register("k", { ttl: "1h" });
    const { bytesRead, reads } = world.store;
    expect(await other.inspect("k")).toMatchObject({ tier: "shared", suspect: true });
    expect(await other.get("k")).toBe("x".repeat(1_000));
    expect(world.store.bytesRead).toBe(bytesRead);
    expect(world.store.reads).toBe(reads + 1);
    expect(world.metrics.count("suspects_total", { outcome: "revalidated" })).toBe(1);
    await settle();
    await forgetLocally(other, "k");
    expect(await other.inspect("k")).toMatchObject({ tier: "shared", suspect: false });
  });

  it("without a store what another epoch left is a miss", async () => {
    const world = new ReadWorld();
    const node = await world.readyNode({ shared: true, store: false });
    node.register("k", { ttl: "1h" });
    await node.getOrSet("k", () => 1);
    await settle();
    const other = await world.readyNode({ shared: true, store: false });
    other.register("k", { ttl: "1h" });
    expect(await failureOf(other.get("k"))).toMatchObject({ code: "NOT_FOUND" });
    expect(await other.getOrSet("k", () => 2)).toBe(2);
  });

  it("nodes of one bus trust one epoch, and read what the others put", async () => {
    const world = new ReadWorld();
    const parts = { shared: true, store: false, bus: true };
    const [a, b] = [await world.readyNode(parts), await world.readyNode(parts)];
    for (const node of [a, b]) node.register("k", { ttl: "1h" });
    await a.getOrSet("k", () => "a's");
    await settle();
    expect(await b.getOrSet("k", () => "b's")).toBe("a's");
  });

  it("before an epoch is trusted the shared tier answers nothing, and nothing is put there", async () => {
    const world = new ReadWorld();
    const node = world.node({ shared: true, bus: true });
    node.register("k", { ttl: "1h" });
    expect(await node.getOrSet("k", () => 1, { persist: "none" })).toBe(1);
    await settle();
    expect(world.sharedData.slots.get("k")?.bytes).toBeUndefined();
  });

  it("two connections to one tier are one tier", async () => {
    const world = new ReadWorld();
    const a = await world.readyNode({ store: false, shared: true, bus: true });
    const b = await world.readyNode(
      { store: false, bus: true },
      { sharedCache: new MemorySharedCache({ clock: world.clock, data: world.sharedData }) },
    );
    for (const node of [a, b]) node.register("k", { ttl: "1h" });
    await a.set("k", 1);
    await world.clock.advance(10);
    expect(await b.get("k")).toBe(1);
  });
});

describe("a node whose values are in the shared tier alone, and that has just started,", () => {
  const parts = { store: false, shared: true } as const;

  it("keeps what it is given at once, and is ready when it could", async () => {
    const world = new ReadWorld();
    world.sharedFaults.latencyMs = 50;
    const node = world.node(parts, { localCache: false });
    node.register("k", { ttl: "1m" });
    const written = watch(node.set("k", 1));
    const ready = watch(node.ready());
    // Two calls for its epoch, of two halves each; then the put.
    await world.clock.advance(199);
    expect(ready.state).toBe("pending");
    await world.clock.advance(1);
    expect(ready.state).toBe("resolved");
    await world.clock.advance(100);
    expect(written.state).toBe("resolved");
    world.sharedFaults.latencyMs = 0;
    expect(await node.get("k")).toBe(1);
  });

  it("waits for a peer to name the epoch, where there may be one", async () => {
    const world = new ReadWorld();
    const node = world.node({ ...parts, bus: true }, { localCache: false });
    node.register("k", { ttl: "1m" });
    const written = watch(node.set("k", 1));
    await world.clock.advance(1_500);
    expect(written.state).toBe("pending");
    await world.clock.advance(600);
    expect(written.state).toBe("resolved");
    expect(await node.get("k")).toBe(1);
  });

  it.each([
    ["refuses", "refuses"],
    ["is silent", "silent"],
  ] as const)("waits no longer than a deadline for a tier that %s", async (_, mode) => {
    const world = new ReadWorld();
    world.sharedFaults.mode = mode;
    const node = world.node(parts, { localCache: false });
    node.register("k", { ttl: "1m" });
    const calls = [watch(node.ready()), watch(node.set("k", 1))];
    await world.clock.advance(250);
    expect(calls.map(({ state }) => state)).toEqual(["resolved", "resolved"]);
    const next = watch(node.set("k", 2));
    await settle();
    expect(next.state).toBe("resolved");
  });
});
