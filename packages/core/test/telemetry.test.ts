import { describe, expect, it } from "@jest/globals";
import { MemoryCache, metricDefinitions, Warp, WarpError, type WarpOptions } from "../src/index.ts";
import { failOnUnhandledRejections, failureOf, watch } from "./support/outcomes.ts";
import { ReadWorld } from "./support/read-world.ts";
import { settle, VirtualClock } from "./support/virtual-clock.ts";

failOnUnhandledRejections();

const storedJson = (value: unknown): Uint8Array => new Uint8Array([1, ...Buffer.from(JSON.stringify(value))]);

describe("what each counter counts", () => {
  it("hits, by the tier that had the value, also those of the fast path", async () => {
    const world = new ReadWorld();
    const node = await world.readyNode({ shared: true });
    node.register("k*", { ttl: "1h" });
    const hits = (): number[] =>
      ["local", "shared", "store"].map((tier) => world.metrics.count("hits_total", { tier, pattern: "k*" }));
    await node.set("k", 1);
    expect(hits()).toEqual([0, 0, 0]);
    await node.get("k");
    await node.find("k", {});
    node.peek("k");
    await node.getOrSet("k", () => 2);
    await node.getMany(["k"]);
    expect(hits()).toEqual([5, 0, 0]);
    await node.invalidate("k");
    await node.get("k");
    expect(hits()).toEqual([5, 0, 1]);
    await settle();
    await node.unregister("k*");
    node.register("k*", { ttl: "1h" });
    await node.get("k");
    expect(hits()).toEqual([5, 1, 1]);
  });

  it("misses and negative hits", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "1h", negativeTtl: "1h" });
    await node.find("k");
    expect(world.metrics.count("misses_total", { pattern: "k" })).toBe(1);
    await node.find("k");
    await failureOf(node.get("k"));
    expect(world.metrics.count("misses_total")).toBe(1);
    expect(world.metrics.count("negative_hits_total", { pattern: "k" })).toBe(2);
  });

  it("loads by outcome, and the calls that shared one", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k*", { ttl: "1h" });
    await Promise.all([1, 2, 3].map(() => node.getOrSet("k1", () => "made")));
    await failureOf(node.getOrSet("k2", () => Promise.reject(new Error("down"))));
    // Also an error of Warp's that a loader ran into.
    await failureOf(node.getOrSet("k3", () => node.get("k-none")));
    expect(world.metrics.count("loads_total", { outcome: "ok" })).toBe(1);
    expect(world.metrics.count("loads_total", { outcome: "error" })).toBe(2);
    expect(world.metrics.count("loads_saved_total", { pattern: "k*" })).toBe(2);
  });

  it("evictions, expirations and entries of the local cache", async () => {
    const world = new ReadWorld();
    const localCache = new MemoryCache({ maxEntries: 10, clock: world.clock });
    const node = world.node({ store: false }, { localCache });
    node.register("k*", { ttl: "10s" });
    for (let index = 0; index < 15; index++) await node.set(`k${index}`, index);
    expect(world.metrics.count("evictions_total")).toBe(5);
    expect(world.metrics.count("local_entries")).toBe(10);
    await world.clock.advance(60_000);
    expect(world.metrics.count("expirations_total")).toBe(10);
    expect(world.metrics.count("local_entries")).toBe(0);
  });

  it("writes, deletes and invalidations", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "1h" });
    await node.set("k", 1);
    await node.delete("k");
    await node.invalidate("k");
    for (const operation of ["set", "delete", "invalidate"])
      expect(world.metrics.count("writes_total", { operation, pattern: "k" })).toBe(1);
  });

  it("times of calls by operation and outcome, of the ports, and of loaders", async () => {
    const world = new ReadWorld();
    const node = await world.readyNode({ shared: true, bus: true });
    node.register("k", { ttl: "1h" });
    const before = world.metrics.count("port_latency_seconds", { port: "store", outcome: "ok" });
    await node.getOrSet("k", () => 1);
    await failureOf(node.get("k-unregistered"));
    world.storeFaults.mode = "silent";
    const late = watch(node.get("k", { refresh: true }));
    await world.clock.advance(2_000);
    expect(late.code).toBe("DEADLINE_EXCEEDED");
    world.storeFaults.mode = "refuses";
    await failureOf(node.get("k", { refresh: true }));
    const calls = (operation: string, outcome: string): number =>
      world.metrics.count("latency_seconds", { operation, outcome });
    expect(calls("getOrSet", "ok")).toBe(1);
    expect(calls("get", "error")).toBe(3);
    const port = (name: string, outcome: string): number =>
      world.metrics.count("port_latency_seconds", { port: name, outcome });
    expect(port("store", "ok") - before).toBe(2);
    expect(port("store", "timeout")).toBe(1);
    expect(port("store", "error")).toBe(1);
    expect(port("shared-cache", "ok")).toBeGreaterThan(0);
    expect(port("bus", "ok")).toBeGreaterThan(0);
    expect(port("loader", "ok")).toBe(1);
  });

  it("one local hit in 1 024 is timed", async () => {
    const world = new ReadWorld();
    const node = world.node({ store: false });
    node.register("k", { ttl: "1h" });
    await node.set("k", 1);
    for (let hit = 0; hit < 3 * 1_024; hit++) await node.get("k");
    expect(world.metrics.count("latency_seconds", { operation: "get", outcome: "hit" })).toBe(3);
    expect(world.metrics.count("hits_total", { tier: "local" })).toBe(3 * 1_024);
  });

  it("members, this node among them", async () => {
    const world = new ReadWorld();
    const other = await world.readyNode({ bus: true });
    const node = await world.readyNode({ bus: true });
    await world.clock.advance(2_000);
    expect(node.nodes()).toHaveLength(2);
    expect(world.metrics.count("members")).toBe(2);
    expect(node.status().members).toBe(1);
    await other.close();
    await world.clock.advance(10);
    expect(world.metrics.count("members")).toBe(1);
  });

  it("every family is there from the beginning, with the labels that its definition names and never a key", async () => {
    const world = new ReadWorld();
    const node = await world.readyNode({ shared: true, bus: true });
    node.register("user:*", { ttl: "1s", failSafe: "1h", negativeTtl: "1h", eagerRefresh: 0.5 });
    const secret = "user:secret-key-4711";
    await node.getOrSet(secret, () => 1);
    await world.clock.advance(600);
    await node.get(secret);
    await world.clock.advance(1_000);
    world.storeFaults.mode = "refuses";
    await node.get(secret);
    await node.find("user:other-secret").catch(() => undefined);
    await failureOf(node.getOrSet("user:third-secret", () => Promise.reject(new Error("down"))));
    world.storeFaults.mode = "well";
    await node.invalidate(secret);
    await node.delete(secret);
    await world.clock.advance(10_000);
    const families = world.metrics.families();
    expect(families.map(({ name }) => name)).toEqual(metricDefinitions.map(({ name }) => name));
    for (const [index, { name, samples }] of families.entries()) {
      const names = Object.keys(metricDefinitions[index]?.labels ?? {}).sort();
      for (const { labels } of samples) {
        expect([name, Object.keys(labels).sort()]).toEqual([name, names]);
        expect(Object.values(labels).join()).not.toContain("secret");
      }
    }
  });

  it("a closed node is scraped no more", async () => {
    const world = new ReadWorld();
    const node = world.node();
    await node.close();
    expect(world.metrics.detached).toBe(true);
  });
});

describe("the log", () => {
  it("takes a logger with pino's signature: fields, then a sentence", async () => {
    const calls: unknown[][] = [];
    const method = (...given: unknown[]): void => {
      calls.push(given);
    };
    const world = new ReadWorld();
    const logger = { debug: method, info: method, warn: method, error: method };
    const node = await world.readyNode({ shared: true }, { logger });
    node.register("k", { ttl: "1h" });
    world.sharedFaults.mode = "refuses";
    await node.find("k");
    expect(calls.length).toBeGreaterThan(0);
    for (const [fields, message, ...rest] of calls) {
      expect(typeof fields).toBe("object");
      expect(typeof message).toBe("string");
      expect(rest).toEqual([]);
      expect(fields).toHaveProperty("node", node.nodes()[0]);
    }
  });

  it("methods that need their logger as `this` find it", async () => {
    class Pino {
      readonly lines: string[] = [];
      debug(_fields: object, message: string): void {
        this.lines.push(message);
      }
      info(_fields: object, message: string): void {
        this.lines.push(message);
      }
      warn(_fields: object, message: string): void {
        this.lines.push(message);
      }
      error(_fields: object, message: string): void {
        this.lines.push(message);
      }
    }
    const logger = new Pino();
    const world = new ReadWorld();
    const node = await world.readyNode({ shared: true }, { logger });
    node.register("k", { ttl: "1h" });
    world.sharedFaults.mode = "refuses";
    await node.find("k");
    expect(logger.lines.length).toBeGreaterThan(0);
  });

  it("is JSON lines on standard output by default, from info on, dated by the node's clock", async () => {
    const lines: string[] = [];
    const write = process.stdout.write;
    process.stdout.write = ((line: string) => lines.push(line) > 0) as typeof process.stdout.write;
    try {
      const world = new ReadWorld();
      const options: WarpOptions = { clock: world.clock, sharedCache: world.shared, store: world.store };
      const node = new Warp(options);
      await settle();
      node.register("k", { ttl: "1h" });
      world.sharedFaults.mode = "refuses";
      await node.find("k");
      await settle();
    } finally {
      process.stdout.write = write;
    }
    const parsed = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(parsed.length).toBeGreaterThan(0);
    for (const line of parsed) {
      expect(line).toMatchObject({
        time: new VirtualClock().now(),
        msg: expect.any(String),
        level: expect.any(Number),
      });
      expect(line.level).toBeGreaterThanOrEqual(30);
    }
  });

  it("is quiet while all is well", async () => {
    const world = new ReadWorld();
    const node = await world.readyNode({ shared: true, bus: true });
    node.register("k*", { ttl: "1h" });
    for (let index = 0; index < 100; index++) await node.getOrSet(`k${index}`, () => index);
    await node.invalidate("k1");
    await node.close();
    expect(world.log.filter(({ level }) => level !== "debug")).toEqual([]);
  });
});

describe("publishErrors", () => {
  const failingRefresh = async (world: ReadWorld, node: Warp, keys: readonly string[]): Promise<void> => {
    for (const key of keys) await node.getOrSet(key, () => 1);
    await world.clock.advance(600);
    for (const key of keys) await node.getOrSet(key, () => Promise.reject(new Error(`no ${key}`)));
    await settle();
  };

  it("gives errors of background work with operation, key and cause, in order, also those from before", async () => {
    const world = new ReadWorld();
    const node = world.node({ store: false });
    node.register("k*", { ttl: "1s", eagerRefresh: 0.5 });
    await failingRefresh(world, node, ["k1", "k2"]);
    const reader = node.publishErrors()[Symbol.asyncIterator]();
    const errors = [await reader.next(), await reader.next()].map(({ value }) => value as WarpError);
    expect(errors.every((error) => WarpError.is(error))).toBe(true);
    expect(errors).toMatchObject([
      { operation: "refresh", key: "k1", cause: { message: "no k1" } },
      { operation: "refresh", key: "k2", cause: { message: "no k2" } },
    ]);
    const waiting = watch(reader.next());
    await settle();
    expect(waiting.state).toBe("pending");
    await world.clock.advance(1_000);
    await failingRefresh(world, node, ["k3"]);
    expect(waiting.value).toMatchObject({ done: false, value: { key: "k3" } });
    await reader.return?.();
  });

  it("is bounded: the last 1 000 that nobody read are kept, and what was let go is counted", async () => {
    const world = new ReadWorld();
    const node = world.node({ store: false });
    node.register("k*", { ttl: "1s", eagerRefresh: 0.5 });
    await failingRefresh(
      world,
      node,
      Array.from({ length: 1_200 }, (_, index) => `k${index}`),
    );
    expect(node.status().droppedErrors).toBe(200);
    expect(world.metrics.count("background_errors_total", { operation: "refresh" })).toBe(1_200);
    expect(world.metrics.count("background_errors_dropped_total")).toBe(200);
    const reader = node.publishErrors()[Symbol.asyncIterator]();
    expect((await reader.next()).value).toMatchObject({ key: "k200" });
  });

  it("ends when the node closes, once what there is has been read", async () => {
    const world = new ReadWorld();
    const node = world.node({ store: false });
    node.register("k*", { ttl: "1s", eagerRefresh: 0.5 });
    await failingRefresh(world, node, ["k1"]);
    await node.close();
    const keys: (string | undefined)[] = [];
    for await (const { key } of node.publishErrors()) keys.push(key);
    expect(keys).toEqual(["k1"]);
  });

  it("a loop that is left takes no more errors from others", async () => {
    const world = new ReadWorld();
    const node = world.node({ store: false });
    node.register("k*", { ttl: "1s", eagerRefresh: 0.5 });
    const left = node.publishErrors()[Symbol.asyncIterator]();
    const pending = left.next();
    await left.return?.();
    expect(await pending).toMatchObject({ done: true });
    await failingRefresh(world, node, ["k1"]);
    const stays = node.publishErrors()[Symbol.asyncIterator]();
    expect((await stays.next()).value).toMatchObject({ key: "k1" });
  });

  it("what a caller was told is not told again", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "1h" });
    world.storeFaults.mode = "refuses";
    await failureOf(node.get("k"));
    await failureOf(node.getOrSet("k", () => 1));
    await settle();
    expect(world.metrics.count("background_errors_total")).toBe(0);
  });
});

describe("status and inspect", () => {
  it("say which collaborators there are, and that all is well", async () => {
    const world = new ReadWorld();
    expect(world.node({ store: false }, { localCache: false }).status()).toMatchObject({
      state: "open",
      ports: { localCache: "absent", sharedCache: "absent", store: "absent", bus: "absent" },
      outbox: 0,
      dirty: 0,
      suspects: 0,
      owed: 0,
      members: 0,
      leases: 0,
      droppedErrors: 0,
    });
    const node = await world.readyNode({ shared: true, bus: true }, { node: "node-1" });
    expect(node.status()).toMatchObject({
      node: "node-1",
      state: "open",
      ports: { localCache: "up", sharedCache: "up", store: "up", bus: "up" },
    });
    await node.close();
    expect(node.status().state).toBe("closed");
  });

  it("say what waits for the bus and for the store", async () => {
    const world = new ReadWorld();
    const node = await world.readyNode({ bus: true }, { node: "node-1" });
    node.register("k*", { ttl: "1h" });
    node.register("mine", { ttl: "1h", mode: "strong-local" });
    world.network.disconnect("node-1");
    await node.set("k1", 1);
    await node.set("k2", 2);
    await world.clock.advance(10);
    expect(node.status().outbox).toBe(2);
    expect(node.status().ports.bus).toBe("degraded");
    world.storeFaults.mode = "refuses";
    await node.set("mine", 1);
    await world.clock.advance(10);
    expect(node.status().dirty).toBe(1);
    expect(await node.inspect("mine")).toMatchObject({ tier: "local", dirty: true, suspect: false });
    world.storeFaults.mode = "well";
    world.network.reconnect("node-1");
    await world.clock.advance(15_000);
    expect(node.status()).toMatchObject({ outbox: 0, dirty: 0 });
    expect(node.status().ports.bus).toBe("up");
  });

  it("count suspects; above 10 000 entries by estimate", async () => {
    const world = new ReadWorld();
    const node = world.node({ store: false });
    node.register("k*", { ttl: "1h" });
    for (let index = 0; index < 20_000; index++) void node.set(`k${index}`, index);
    expect(node.status().suspects).toBe(0);
    node.register("*", { ttl: "1h" });
    expect(node.status().suspects).toBe(20_000);
  });

  it("inspect tells tier, age, time left, revision and standing, and changes and counts nothing", async () => {
    const world = new ReadWorld();
    const node = await world.readyNode({ shared: true });
    node.register("k", { ttl: "10s", failSafe: "1h" });
    expect(await node.inspect("k")).toEqual({
      key: "k",
      pattern: "k",
      mode: "eventual-distributed",
      tier: undefined,
      negative: false,
      ageMs: undefined,
      leftMs: undefined,
      revision: undefined,
      suspect: false,
      dirty: false,
    });
    await node.set("k", 1);
    await world.clock.advance(4_000);
    const local = await node.inspect("k");
    expect(local).toMatchObject({ tier: "local", ageMs: 4_000, leftMs: 6_000, suspect: false });
    expect(local.revision).toHaveLength(22);
    const { reads } = world.store;
    const hits = world.metrics.count("hits_total");
    await node.inspect("k");
    expect(world.store.reads).toBe(reads);
    expect(world.metrics.count("hits_total")).toBe(hits);
    world.outside.changeOutside("k", storedJson(2));
    await world.clock.advance(7_000);
    expect(await node.inspect("k")).toMatchObject({ tier: "local", leftMs: -1_000 });
    expect(await node.get("k")).toBe(2);
  });

  it("inspect of a slot that only the shared tier has", async () => {
    const world = new ReadWorld();
    const node = await world.readyNode({ shared: true }, { localCache: false });
    node.register("k", { ttl: "10s", failSafe: "1h" });
    await node.set("k", 1);
    await node.get("k");
    await world.clock.advance(4_000);
    const slot = await node.inspect("k");
    expect(slot).toMatchObject({ tier: "shared", ageMs: 4_000, leftMs: 6_000, negative: false, suspect: false });
    expect(slot.revision).toHaveLength(22);
    world.sharedFaults.mode = "refuses";
    expect(await failureOf(node.inspect("k"))).toMatchObject({ code: "UNAVAILABLE", port: "shared-cache" });
  });

  it("inspect refuses what no pattern matches, and a closed node", async () => {
    const node = new ReadWorld().node();
    node.register("k", { ttl: "1h" });
    expect(await failureOf(node.inspect("other"))).toMatchObject({ code: "UNREGISTERED" });
    await node.close();
    expect(await failureOf(node.inspect("k"))).toMatchObject({ code: "CLOSED" });
  });
});
