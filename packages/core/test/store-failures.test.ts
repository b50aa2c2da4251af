import { describe, expect, it } from "@jest/globals";
import { MemoryStore, type Store } from "../src/index.ts";
import { failOnUnhandledRejections, failureOf, watch } from "./support/outcomes.ts";
import { ReadWorld } from "./support/read-world.ts";
import { settle } from "./support/virtual-clock.ts";

failOnUnhandledRejections();

const state = (world: ReadWorld): number => world.metrics.count("breaker_state", { port: "store" });

describe("a store that does not answer", () => {
  it("a refused read is UNAVAILABLE with its cause, its port and its key", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "1h" });
    world.storeFaults.mode = "refuses";
    const failure = await failureOf(node.get("k"));
    expect(failure).toMatchObject({ code: "UNAVAILABLE", port: "store", key: "k" });
    expect(failure.cause).toMatchObject({ message: "connection refused" });
    expect(await failureOf(node.getOrSet("k", () => 1))).toMatchObject({ code: "UNAVAILABLE" });
  });

  it("a silent one is DEADLINE_EXCEEDED after its deadline, 2 s by default", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "1h" });
    world.storeFaults.mode = "silent";
    const call = watch(node.get("k"));
    await world.clock.advance(1_999);
    expect(call.state).toBe("pending");
    await world.clock.advance(1);
    expect(call.error).toMatchObject({ code: "DEADLINE_EXCEEDED", port: "store" });
    // What comes too late is nobody's.
    await world.clock.advance(60_000);
  });

  it("the deadline can be set", async () => {
    const world = new ReadWorld();
    const node = world.node({}, { deadlines: { store: 100 } });
    node.register("k", { ttl: "1h" });
    world.storeFaults.mode = "silent";
    const call = watch(node.get("k"));
    await world.clock.advance(100);
    expect(call.code).toBe("DEADLINE_EXCEEDED");
  });

  it("the adapter's signal aborts at the deadline, and is told how long it has", async () => {
    const world = new ReadWorld();
    const given: (AbortSignal | undefined)[] = [];
    const times: (number | undefined)[] = [];
    const silent: Store = Object.assign(new MemoryStore({ clock: world.clock }), {
      get: (_key: string, _unless: unknown, options: { signal?: AbortSignal; timeoutMs?: number } = {}) => {
        given.push(options.signal);
        times.push(options.timeoutMs);
        return new Promise<never>(() => undefined);
      },
    });
    const node = world.node({ store: false }, { store: silent });
    node.register("k", { ttl: "1h" });
    const call = watch(node.get("k"));
    await settle();
    expect(given[0]?.aborted).toBe(false);
    expect(times).toEqual([2_000]);
    await world.clock.advance(2_000);
    expect(given[0]?.aborted).toBe(true);
    expect(call.code).toBe("DEADLINE_EXCEEDED");
  });

  it("an adapter that throws instead of rejecting is UNAVAILABLE too", async () => {
    const world = new ReadWorld();
    const throwing: Store = Object.assign(new MemoryStore({ clock: world.clock }), {
      get: () => {
        throw new TypeError("not connected");
      },
    });
    const node = world.node({ store: false }, { store: throwing });
    node.register("k", { ttl: "1h" });
    expect(await failureOf(node.get("k"))).toMatchObject({ code: "UNAVAILABLE", port: "store" });
  });

  it("hits do not depend on it", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "1h" });
    await node.set("k", 1);
    world.storeFaults.mode = "silent";
    expect(await node.get("k")).toBe(1);
    expect(await node.getMany(["k"])).toEqual(new Map([["k", 1]]));
  });

  it("a failed read is not remembered as a miss", async () => {
    const world = new ReadWorld();
    const node = await world.readyNode({ shared: true });
    node.register("k", { ttl: "1h", negativeTtl: "1h" });
    await node.set("k", 1);
    await node.invalidate("k");
    world.storeFaults.mode = "refuses";
    expect(await failureOf(node.find("k"))).toMatchObject({ code: "UNAVAILABLE" });
    world.storeFaults.mode = "well";
    expect(await node.find("k")).toBe(1);
  });

  it("a loader is not run for a key that the store may have", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "1h" });
    world.storeFaults.mode = "refuses";
    let runs = 0;
    expect(await failureOf(node.getOrSet("k", () => ++runs))).toMatchObject({ code: "UNAVAILABLE", port: "store" });
    expect(runs).toBe(0);
  });
});

describe("the store's circuit breaker", () => {
  it("opens after five failures in a row: then calls fail at once and the store is left in peace", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "1h" });
    world.storeFaults.mode = "refuses";
    for (let failure = 0; failure < 4; failure++) await failureOf(node.get("k"));
    expect(state(world)).toBe(0);
    await failureOf(node.get("k"));
    expect(state(world)).toBe(2);
    expect(node.status().ports.store).toBe("down");
    const { reads } = world.store;
    const failure = await failureOf(node.get("k"));
    expect(failure).toMatchObject({ code: "UNAVAILABLE", port: "store" });
    expect(failure.message).toContain("circuit breaker");
    expect(world.store.reads).toBe(reads);
  });

  it("one success in between starts the count again", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "1h" });
    for (let round = 0; round < 3; round++) {
      world.storeFaults.mode = "refuses";
      for (let failure = 0; failure < 4; failure++) await failureOf(node.get("k"));
      world.storeFaults.mode = "well";
      await node.find("k");
    }
    expect(state(world)).toBe(0);
  });

  it("while it is open, expired values that fail-safe serves do not fill the log", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "1s", failSafe: "1h" });
    await node.set("k", 1);
    await world.clock.advance(2_000);
    world.storeFaults.mode = "refuses";
    for (let read = 0; read < 1_000; read++) expect(await node.get("k")).toBe(1);
    expect(world.warnings().length).toBeLessThan(20);
  });

  it("is half open while it probes, behind the callers' backs, and closes when the store answers", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "1h" });
    world.storeFaults.mode = "refuses";
    for (let failure = 0; failure < 5; failure++) await failureOf(node.get("k"));
    world.storeFaults.mode = "silent";
    // 500 ms, drawn at the middle: 275.
    await world.clock.advance(275);
    expect(state(world)).toBe(1);
    expect(node.status().ports.store).toBe("degraded");
    const call = watch(node.get("k"));
    await settle();
    expect(call.code).toBe("UNAVAILABLE");
    await world.clock.advance(2_000);
    expect(state(world)).toBe(2);
    world.storeFaults.mode = "well";
    await world.clock.advance(10_000);
    expect(state(world)).toBe(0);
    expect(node.status().ports.store).toBe("up");
    expect(await node.find("k")).toBeUndefined();
    expect(world.warnings().filter((line) => line.startsWith("the circuit breaker of the store is"))).toEqual(
      ["open", "half-open", "open", "half-open", "closed"].map((name) => `the circuit breaker of the store is ${name}`),
    );
  });

  it("a caller in a hurry does not open it", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "1h" });
    world.storeFaults.latencyMs = 100;
    for (let call = 0; call < 10; call++) {
      const hurried = watch(node.find("k", { hardTimeout: 10 }));
      await world.clock.advance(10);
      expect(hurried.code).toBe("DEADLINE_EXCEEDED");
    }
    await world.clock.advance(1_000);
    expect(state(world)).toBe(0);
  });

  it("answers that say something about the request are no failures of the store", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "1h" });
    for (let call = 0; call < 10; call++) {
      world.outside.changeOutside("k", new Uint8Array([77]));
      expect(await failureOf(node.get("k"))).toMatchObject({ code: "CORRUPT" });
    }
    expect(state(world)).toBe(0);
  });
});
