import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import type { TtlStrategy } from "../src/index.ts";
import { failOnUnhandledRejections, failureOf } from "./support/outcomes.ts";
import { ReadWorld } from "./support/read-world.ts";
import { settle } from "./support/virtual-clock.ts";

failOnUnhandledRejections();

const storedJson = (value: unknown): Uint8Array => new Uint8Array([1, ...Buffer.from(JSON.stringify(value))]);
const year = 365 * 86_400_000;

describe("how long an entry lives", () => {
  // docs/pitfalls.md, 25: a TTL above 24.8 days overflows a timer.
  it("any TTL up to the largest safe number of milliseconds, and Infinity, is kept as given", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.integer({ min: 1, max: 2 ** 52 }), fc.constant(Number.POSITIVE_INFINITY)),
        fc.integer({ min: 0, max: 5_000 }),
        async (ttl, age) => {
          const world = new ReadWorld();
          const node = world.node({ store: false });
          node.register("k", { ttl });
          await node.set("k", 1);
          await world.clock.advance(age);
          expect(node.peek("k")).toBe(age < ttl ? 1 : undefined);
          expect((await node.find("k", {})) === 1).toBe(age < ttl);
        },
      ),
      { numRuns: 200 },
    );
  });

  it.each([30 * 86_400_000, 3 * year, 2 ** 52, Number.POSITIVE_INFINITY])(
    "a TTL of %d ms sets off no timer of its own, early or late",
    async (ttl) => {
      const world = new ReadWorld();
      const node = await world.readyNode({ shared: true });
      const { pending } = world.clock;
      node.register("k*", { ttl, negativeTtl: ttl, failSafe: ttl });
      for (let index = 0; index < 100; index++) await node.set(`k${index}`, index);
      await node.find("k-none");
      await settle();
      // One for all: the local tier's sweep.
      expect(world.clock.pending).toBeLessThanOrEqual(pending + 1);
      await world.clock.advance(10_000);
      expect(node.peek("k7")).toBe(7);
      expect((await node.inspect("k7")).leftMs).toBe(ttl - 10_000);
    },
  );

  it("jitter shortens a life by up to its share, and never lengthens it", async () => {
    const world = new ReadWorld();
    const node = world.node({ store: false });
    node.register("k", { ttl: "100s", jitter: 0.2 });
    const lives: (number | undefined)[] = [];
    for (const chance of [0, 0.5, 0.999_999]) {
      world.chance = chance;
      await node.set("k", 1);
      lives.push((await node.inspect("k")).leftMs);
    }
    expect(lives[0]).toBe(100_000);
    expect(lives[1]).toBe(90_000);
    expect(lives[2]).toBeGreaterThanOrEqual(80_000);
    expect(lives[2]).toBeLessThan(80_010);
  });

  it("jitter keeps entries from expiring together", async () => {
    const world = new ReadWorld();
    const node = world.node({ store: false });
    node.register("k*", { ttl: "100s", jitter: 0.5 });
    const lives = new Set<number | undefined>();
    for (let index = 0; index < 100; index++) {
      world.chance = index / 100;
      await node.set(`k${index}`, 1);
      lives.add((await node.inspect(`k${index}`)).leftMs);
    }
    expect(lives.size).toBe(100);
    for (const leftMs of lives) expect(leftMs).toBeGreaterThanOrEqual(50_000);
  });

  it("jitter applies to negative entries, and to Infinity not", async () => {
    const world = new ReadWorld();
    world.chance = 0.5;
    const node = world.node();
    node.register("k", { ttl: Number.POSITIVE_INFINITY, negativeTtl: "10s", jitter: 0.2 });
    await node.find("k");
    expect((await node.inspect("k")).leftMs).toBe(9_000);
    await node.set("k", 1);
    expect((await node.inspect("k")).leftMs).toBe(Number.POSITIVE_INFINITY);
  });

  it("a jump of the wall clock, back or forth, changes no life", async () => {
    const world = new ReadWorld();
    const node = await world.readyNode({ shared: true });
    node.register("k", { ttl: "10s", storeTtl: "1d" });
    await node.set("k", 1);
    world.clock.jumpWall(-365 * 86_400_000);
    expect(node.peek("k")).toBe(1);
    expect((await node.inspect("k")).leftMs).toBe(10_000);
    await world.clock.advance(9_999);
    expect(await node.get("k")).toBe(1);
    await world.clock.advance(1);
    expect(node.peek("k")).toBeUndefined();
    world.clock.jumpWall(365 * 86_400_000);
    expect(await node.get("k")).toBe(1);
    await node.set("k", 2);
    world.clock.jumpWall(20_000);
    expect(node.peek("k")).toBe(2);
  });
});

describe("sliding", () => {
  it("a hit begins the TTL anew, also one of the fast path, of peek and of many keys not at once", async () => {
    const world = new ReadWorld();
    const node = world.node({ store: false });
    node.register("k", { ttl: "10s", sliding: true });
    await node.set("k", 1);
    const hits = [
      () => node.get("k"),
      () => node.find("k", {}),
      () => node.getMany(["k"]),
      () => node.getOrSet("k", () => 2),
    ];
    for (const hit of hits) {
      await world.clock.advance(9_000);
      await hit();
      expect((await node.inspect("k")).leftMs).toBe(10_000);
    }
    await world.clock.advance(10_000);
    expect(await node.find("k")).toBeUndefined();
  });

  it("an entry that is used is not swept away", async () => {
    const world = new ReadWorld();
    const node = world.node({ store: false });
    node.register("k", { ttl: "10s", sliding: true });
    await node.set("k", 1);
    for (let hit = 0; hit < 20; hit++) {
      await world.clock.advance(9_000);
      expect(await node.get("k")).toBe(1);
    }
    expect(world.metrics.count("expirations_total")).toBe(0);
  });

  it("never extends a life beyond the store's own expiry, wherever the copy came from", async () => {
    for (const parts of [{}, { shared: true }]) {
      const world = new ReadWorld();
      const [writer, reader] = [await world.readyNode({}), await world.readyNode(parts)];
      for (const node of [writer, reader]) node.register("k", { ttl: "10s", storeTtl: "25s", sliding: true });
      await writer.set("k", 1);
      await world.clock.advance(3_000);
      expect(await reader.get("k")).toBe(1);
      for (let seconds = 4; seconds <= 24; seconds++) {
        await world.clock.advance(1_000);
        expect([await writer.get("k"), await reader.get("k")]).toEqual([1, 1]);
      }
      await world.clock.advance(1_000);
      expect(await writer.find("k")).toBeUndefined();
      expect(await reader.find("k")).toBeUndefined();
    }
  });
});

describe("the store's own expiry", () => {
  it("caps the life of a copy", async () => {
    const world = new ReadWorld();
    const [writer, reader] = [world.node(), await world.readyNode({ shared: true })];
    for (const node of [writer, reader]) node.register("k", { ttl: "1h", storeTtl: "30s" });
    await writer.set("k", 1);
    expect((await writer.inspect("k")).leftMs).toBe(30_000);
    await world.clock.advance(10_000);
    expect(await reader.get("k")).toBe(1);
    expect((await reader.inspect("k")).leftMs).toBe(20_000);
    await settle();
    expect(world.sharedData.slots.get("k")?.expiresAt).toBe(world.clock.monotonic() + 20_000);
    await world.clock.advance(20_000);
    expect(await writer.find("k")).toBeUndefined();
    expect(await reader.find("k")).toBeUndefined();
  });

  it("caps it after a revalidation too, which brings no date", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "1h", storeTtl: "30s" });
    await node.set("k", 1);
    await world.clock.advance(20_000);
    node.register("*", { ttl: "1h" });
    expect(await node.get("k")).toBe(1);
    expect((await node.inspect("k")).leftMs).toBe(10_000);
    await world.clock.advance(10_000);
    expect(await node.find("k")).toBeUndefined();
  });

  it("is judged by the store's clock, however wrong this node's is, and whatever it does meanwhile", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k*", { ttl: "1h", storeTtl: "30s" });
    await node.set("k", 1);
    await world.clock.advance(10_000);
    await node.invalidate("k");
    expect(await node.get("k")).toBe(1);
    expect((await node.inspect("k")).leftMs).toBe(20_000);
  });
});

describe("dynamic TTLs", () => {
  const strategyOf = (
    ttl: (key: string) => number,
    extendsOnHit = false,
  ): TtlStrategy & { readonly seen: string[] } => {
    const seen: string[] = [];
    return { seen, record: (key) => void seen.push(key), ttl, extendsOnHit };
  };

  it("the strategy is told of every read and decides the life of every entry", async () => {
    const world = new ReadWorld();
    const node = world.node();
    const strategy = strategyOf((key) => (key === "k1" ? 1_000 : 2_000));
    expect(node.registerDynamicTtl("k*", { strategy })).toBe(true);
    await node.set("k1", 1);
    await node.set("k2", 2);
    await node.get("k1");
    await node.find("k2");
    await node.getMany(["k1", "k2"]);
    await node.getOrSet("k1", () => 0);
    expect(strategy.seen).toEqual(["k1", "k2", "k1", "k2", "k1"]);
    expect((await node.inspect("k1")).leftMs).toBe(1_000);
    expect((await node.inspect("k2")).leftMs).toBe(2_000);
  });

  it("one that extends on hits is as sliding, within the store's own expiry", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.registerDynamicTtl("k", { strategy: strategyOf(() => 10_000, true), storeTtl: "25s", eagerRefresh: 0.5 });
    await node.set("k", 1);
    for (const leftMs of [10_000, 10_000, 7_000]) {
      await world.clock.advance(6_000);
      await node.get("k");
      expect((await node.inspect("k")).leftMs).toBe(leftMs);
    }
    await world.clock.advance(7_000);
    expect(await node.find("k")).toBeUndefined();
  });

  it.each([0, -1, Number.NaN])("a strategy that says %d keeps its values out of the caches", async (ttl) => {
    const world = new ReadWorld();
    const node = await world.readyNode({ shared: true });
    node.registerDynamicTtl("k", { strategy: strategyOf(() => ttl) });
    expect(await node.getOrSet("k", () => 1)).toBe(1);
    expect(await node.get("k")).toBe(1);
    await settle();
    expect(node.peek("k")).toBeUndefined();
    expect(world.sharedData.slots.get("k")?.bytes).toBeUndefined();
  });

  it("Infinity is a life", async () => {
    const node = new ReadWorld().node();
    node.registerDynamicTtl("k", { strategy: strategyOf(() => Number.POSITIVE_INFINITY) });
    await node.set("k", 1);
    expect((await node.inspect("k")).leftMs).toBe(Number.POSITIVE_INFINITY);
  });

  it("a value that expired in the store is NOT_FOUND, not the last copy", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.registerDynamicTtl("k", { strategy: strategyOf(() => 1_000), storeTtl: "5s", failSafe: "1d" });
    await node.set("k", 1);
    await world.clock.advance(6_000);
    expect(await failureOf(node.get("k"))).toMatchObject({ code: "NOT_FOUND" });
    world.outside.changeOutside("k", storedJson(2));
    expect(await node.get("k")).toBe(2);
  });
});
