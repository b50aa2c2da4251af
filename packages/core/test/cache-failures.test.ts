import { describe, expect, it } from "@jest/globals";
import { type Entry, type LocalCache, MemoryCache } from "../src/index.ts";
import { failOnUnhandledRejections, failureOf, watch } from "./support/outcomes.ts";
import { ReadWorld } from "./support/read-world.ts";
import { settle } from "./support/virtual-clock.ts";

failOnUnhandledRejections();

/** A local cache of somebody else's, which may throw. */
class FragileCache implements LocalCache {
  readonly portVersion = 1;
  readonly isolate = "none";
  broken = false;
  readonly #cache: MemoryCache;

  constructor(world: ReadWorld) {
    this.#cache = new MemoryCache({ clock: world.clock });
  }

  get stats(): LocalCache["stats"] {
    return this.#whole().stats;
  }

  get(key: string): Entry | undefined {
    return this.#whole().get(key);
  }

  set(key: string, entry: Entry): void {
    this.#whole().set(key, entry);
  }

  delete(key: string): boolean {
    return this.#whole().delete(key);
  }

  entries(): IterableIterator<[string, Entry]> {
    return this.#whole().entries();
  }

  clear(): void {
    this.#whole().clear();
  }

  #whole(): MemoryCache {
    if (this.broken) throw new TypeError("out of memory");
    return this.#cache;
  }
}

const circuit = (world: ReadWorld): number => world.metrics.count("breaker_state", { port: "shared-cache" });

describe('a shared tier that fails, under onCacheError: "miss"', () => {
  it("is a miss on read: the store answers, and a warning is logged", async () => {
    const world = new ReadWorld();
    const node = await world.readyNode({ shared: true });
    node.register("k", { ttl: "1h" });
    await node.set("k", 1);
    await node.invalidate("k");
    world.sharedFaults.mode = "refuses";
    expect(await node.get("k")).toBe(1);
    const warning = world.log.find(({ message }) => message.startsWith("a cache tier failed"));
    expect(warning).toMatchObject({ level: "warn", fields: { port: "shared-cache", operation: "get" } });
    expect(warning?.fields.err).toMatchObject({ code: "UNAVAILABLE", port: "shared-cache" });
    expect(warning?.fields.err).toMatchObject({ cause: { message: "connection refused" } });
  });

  it("without a store a loader runs, and its value is kept in the local tier", async () => {
    const world = new ReadWorld();
    const node = await world.readyNode({ shared: true, store: false });
    node.register("k", { ttl: "1h" });
    world.sharedFaults.mode = "refuses";
    expect(await node.getOrSet("k", () => 1)).toBe(1);
    expect(await node.get("k")).toBe(1);
  });

  // docs/pitfalls.md, C and 19: hangs of 12 to 30 seconds; here the deadline, once.
  it("a black-holed tier costs the callers its deadline once, and then nothing until it is back", async () => {
    const world = new ReadWorld();
    const node = await world.readyNode({ shared: true });
    node.register("k*", { ttl: "1h" });
    await node.setMany([1, 2, 3, 4].map((n) => [`k${n}`, n]));
    for (const n of [1, 2, 3, 4]) await node.invalidate(`k${n}`);
    world.sharedFaults.mode = "silent";
    const first = [watch(node.get("k1")), watch(node.get("k2"))];
    await world.clock.advance(249);
    expect(first.map(({ state }) => state)).toEqual(["pending", "pending"]);
    await world.clock.advance(1);
    expect(first.map(({ value }) => value)).toEqual([1, 2]);
    expect(circuit(world)).toBe(2);
    expect(node.status().ports.sharedCache).toBe("down");
    const before = world.shared.reads;
    const second = watch(node.get("k3"));
    await settle();
    expect(second.value).toBe(3);
    expect(world.shared.reads).toBe(before);
    // The breaker probes behind the callers' backs; while it fails no caller pays.
    await world.clock.advance(30_000);
    const third = watch(node.get("k4"));
    await settle();
    expect(third.value).toBe(4);
    expect(world.shared.reads).toBe(before);
    world.sharedFaults.mode = "well";
    await world.clock.advance(11_000);
    expect(circuit(world)).toBe(0);
    expect(node.status().ports.sharedCache).toBe("up");
    await node.unregister("k*");
    node.register("k*", { ttl: "1h" });
    expect(await node.get("k1")).toBe(1);
    expect(world.shared.reads).toBe(before + 1);
  });

  it("an outage does not fill the log: what callers run into while the breaker is open is not news", async () => {
    const world = new ReadWorld();
    const node = await world.readyNode({ shared: true });
    node.register("k*", { ttl: "1h" });
    world.sharedFaults.mode = "refuses";
    await node.find("k");
    const lines = world.log.length;
    for (let index = 0; index < 1_000; index++) await node.getOrSet(`k${index}`, () => index);
    expect(world.log.length - lines).toBeLessThan(10);
  });

  it("writes and invalidations succeed, and what could not be dropped there is not served afterwards", async () => {
    const world = new ReadWorld();
    const node = await world.readyNode({ shared: true });
    node.register("k", { ttl: "1h" });
    await node.set("k", "old");
    await node.invalidate("k");
    await node.get("k");
    await settle();
    world.sharedFaults.mode = "refuses";
    await node.set("k", "new");
    await node.invalidate("k");
    expect(node.status().owed).toBe(1);
    expect(await node.get("k")).toBe("new");
    world.sharedFaults.mode = "well";
    await world.clock.advance(15_000);
    expect(node.status().owed).toBe(0);
    await node.unregister("k");
    node.register("k", { ttl: "1h" });
    expect(await node.get("k")).toBe("new");
  });

  it("a tier that is dead from the beginning costs a caller the deadline at most once", async () => {
    const world = new ReadWorld();
    world.sharedFaults.mode = "silent";
    const node = world.node({ shared: true });
    node.register("k", { ttl: "1h" });
    const call = watch(node.getOrSet("k", () => 1));
    await world.clock.advance(250);
    expect(call.value).toBe(1);
    const again = watch(node.getOrSet("k", () => 2, { refresh: true }));
    await settle();
    expect(again.value).toBe(2);
    await world.clock.advance(60_000);
    world.sharedFaults.mode = "well";
    await world.clock.advance(30_000);
    expect(node.status().ports.sharedCache).toBe("up");
  });

  it("a reply that comes after the deadline changes nothing", async () => {
    const world = new ReadWorld();
    const node = await world.readyNode({ shared: true });
    node.register("k", { ttl: "1h" });
    world.sharedFaults.latencyMs = 200;
    const call = watch(node.getOrSet("k", () => 1));
    await world.clock.advance(10_000);
    expect(call.value).toBe(1);
    expect(await node.get("k")).toBe(1);
  });
});

describe('a shared tier that fails, under onCacheError: "reject"', () => {
  it("the error surfaces on read, write and invalidate", async () => {
    const world = new ReadWorld();
    const node = await world.readyNode({ shared: true }, { onCacheError: "reject" });
    node.register("k", { ttl: "1h" });
    world.sharedFaults.mode = "refuses";
    const failed = { code: "UNAVAILABLE", port: "shared-cache" };
    expect(await failureOf(node.get("k"))).toMatchObject(failed);
    expect(await failureOf(node.find("k"))).toMatchObject(failed);
    expect(await failureOf(node.getOrSet("k", () => 1))).toMatchObject(failed);
    expect((await failureOf(node.getMany(["k"]))).errors?.get("k")).toMatchObject(failed);
    expect(await failureOf(node.invalidate("k"))).toMatchObject(failed);
  });

  it("a deadline surfaces as DEADLINE_EXCEEDED, and while the breaker is open as UNAVAILABLE at once", async () => {
    const world = new ReadWorld();
    const node = await world.readyNode({ shared: true }, { onCacheError: "reject", deadlines: { cache: "50ms" } });
    node.register("k", { ttl: "1h" });
    world.sharedFaults.mode = "silent";
    const call = watch(node.get("k"));
    await world.clock.advance(50);
    expect(call.error).toMatchObject({ code: "DEADLINE_EXCEEDED", port: "shared-cache" });
    expect(await failureOf(node.get("k"))).toMatchObject({ code: "UNAVAILABLE", port: "shared-cache" });
  });

  it("fail-safe is for the store and the loader, and does not hide it", async () => {
    const world = new ReadWorld();
    const node = await world.readyNode({ shared: true }, { onCacheError: "reject" });
    node.register("k", { ttl: "1s", failSafe: "1h" });
    await node.set("k", 1);
    await world.clock.advance(2_000);
    world.sharedFaults.mode = "refuses";
    expect(await failureOf(node.get("k"))).toMatchObject({ code: "UNAVAILABLE", port: "shared-cache" });
  });

  it("hits of the local tier do not depend on it", async () => {
    const world = new ReadWorld();
    const node = await world.readyNode({ shared: true }, { onCacheError: "reject" });
    node.register("k", { ttl: "1h" });
    await node.set("k", 1);
    world.sharedFaults.mode = "refuses";
    expect(await node.get("k")).toBe(1);
    expect(node.peek("k")).toBe(1);
  });
});

describe("a local cache that throws", () => {
  it('is a miss on read and a success on write under "miss", with a warning', async () => {
    const world = new ReadWorld();
    const localCache = new FragileCache(world);
    const node = world.node({}, { localCache });
    node.register("k", { ttl: "1h" });
    await node.set("k", 1);
    localCache.broken = true;
    expect(await node.get("k")).toBe(1);
    expect(node.peek("k")).toBeUndefined();
    expect(await node.getOrSet("k", () => 2)).toBe(1);
    expect(await node.set("k", 3)).toBe(3);
    await node.invalidate("k");
    expect(await node.get("k")).toBe(3);
    const warnings = world.log.filter(({ fields }) => fields.port === "local-cache");
    expect(warnings.length).toBeGreaterThan(0);
    expect(node.status().ports.localCache).toBe("degraded");
    expect(world.metrics.families().length).toBeGreaterThan(0);
    localCache.broken = false;
    await node.invalidate("k");
    expect(await node.get("k")).toBe(3);
    expect(node.peek("k")).toBe(3);
    expect(node.status().ports.localCache).toBe("up");
  });

  it('its error surfaces under "reject"', async () => {
    const world = new ReadWorld();
    const localCache = new FragileCache(world);
    const node = world.node({}, { localCache, onCacheError: "reject" });
    node.register("k", { ttl: "1h" });
    await node.set("k", 1);
    localCache.broken = true;
    const failed = { code: "UNAVAILABLE", port: "local-cache" };
    expect(await failureOf(node.get("k"))).toMatchObject(failed);
    expect((await failureOf(node.getMany(["k"]))).errors?.get("k")).toMatchObject(failed);
    expect(() => node.peek("k")).toThrow(expect.objectContaining(failed));
    expect((await failureOf(node.get("k"))).cause).toMatchObject({ message: "out of memory" });
  });
});
