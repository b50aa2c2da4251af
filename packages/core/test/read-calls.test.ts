import { describe, expect, it } from "@jest/globals";
import { Warp, WarpError } from "../src/index.ts";
import { failOnUnhandledRejections, failureOf } from "./support/outcomes.ts";
import { ReadWorld } from "./support/read-world.ts";

failOnUnhandledRejections();

const never = (): never => {
  throw new Error("this loader must not run");
};

describe("what reads answer", () => {
  it("a value that the store holds is found by every call", async () => {
    const world = new ReadWorld();
    const [writer, reader] = [world.node(), world.node()];
    for (const node of [writer, reader]) node.register("user:*", { ttl: "1m" });
    await writer.set("user:1", { name: "Ada" });
    expect(reader.peek("user:1")).toBeUndefined();
    expect(await reader.get("user:1")).toEqual({ name: "Ada" });
    expect(await reader.find("user:1")).toEqual({ name: "Ada" });
    expect(await reader.getOrSet("user:1", never)).toEqual({ name: "Ada" });
    expect(await reader.getMany(["user:1"])).toEqual(new Map([["user:1", { name: "Ada" }]]));
    expect(reader.peek("user:1")).toEqual({ name: "Ada" });
  });

  it("a key that neither a cache nor the store has is NOT_FOUND for get, undefined for find, missing in getMany", async () => {
    const node = new ReadWorld().node();
    node.register("user:*", { ttl: "1m" });
    expect(await failureOf(node.get("user:1"))).toMatchObject({ code: "NOT_FOUND", key: "user:1", operation: "get" });
    expect(await node.find("user:1")).toBeUndefined();
    expect(await node.getMany(["user:1"])).toEqual(new Map());
    expect(node.peek("user:1")).toBeUndefined();
  });

  it("a key that no pattern matches is UNREGISTERED for every call", async () => {
    const node = new ReadWorld().node();
    node.register("user:*", { ttl: "1m" });
    expect(await failureOf(node.get("order:1"))).toMatchObject({ code: "UNREGISTERED", key: "order:1" });
    expect(await failureOf(node.find("order:1"))).toMatchObject({ code: "UNREGISTERED", operation: "find" });
    expect(await failureOf(node.getOrSet("order:1", never))).toMatchObject({ code: "UNREGISTERED" });
    const many = await failureOf(node.getMany(["user:1", "order:1"]));
    expect(many).toMatchObject({ code: "UNREGISTERED", operation: "getMany" });
    expect([...(many.errors ?? [])].map(([key, { code }]) => [key, code])).toEqual([["order:1", "UNREGISTERED"]]);
    expect(() => node.peek("order:1")).toThrow(expect.objectContaining({ code: "UNREGISTERED" }));
  });

  // docs/pitfalls.md, 28: no sentinel value may pass for a miss.
  it.each([null, 0, "", false, [], {}])("%j is a value like any other in every tier", async (value) => {
    const world = new ReadWorld();
    const nodes = [await world.readyNode({ shared: true }), await world.readyNode({ shared: true })];
    for (const node of nodes) node.register("k", { ttl: "1m", negativeTtl: "1m" });
    const [writer, reader] = nodes as [Warp, Warp];
    expect(await writer.getOrSet("k", () => value)).toEqual(value);
    for (const node of [writer, reader]) {
      expect(await node.get("k")).toEqual(value);
      expect(await node.get("k", {})).toEqual(value);
      expect(await node.getOrSet("k", never)).toEqual(value);
      expect(await node.getMany(["k"])).toEqual(new Map([["k", value]]));
      expect(node.peek("k")).toEqual(value);
      expect((await node.inspect("k")).negative).toBe(false);
    }
  });

  it("a failure of the store names the call of whoever is told, also where several share the load", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("user:*", { ttl: "1m" });
    world.storeFaults.mode = "refuses";
    const calls = {
      get: node.get("user:1"),
      find: node.find("user:1"),
      getOrSet: node.getOrSet("user:1", never),
      getMany: node.getMany(["user:1"]),
    };
    for (const [operation, call] of Object.entries(calls)) {
      const error = await failureOf(call as Promise<unknown>);
      expect(error).toMatchObject({ code: "UNAVAILABLE", operation });
      const own = (error as WarpError).errors?.get("user:1") ?? error;
      expect(own).toMatchObject({ code: "UNAVAILABLE", operation, key: "user:1", port: "store" });
      expect(own.cause).toMatchObject({ message: "connection refused" });
    }
  });

  it("a loader's own WarpError passes as it is", async () => {
    const node = new ReadWorld().node();
    node.register("user:*", { ttl: "1m" });
    const own = new WarpError("UNAVAILABLE", "mine", { operation: "another", port: "store" });
    expect(await failureOf(node.getOrSet("user:1", () => Promise.reject(own)))).toBe(own);
  });

  it("null without a store is a value, also where only the local tier keeps it", async () => {
    const node = new ReadWorld().node({ store: false });
    node.register("k", { ttl: "1m" });
    expect(await node.getOrSet("k", () => null)).toBeNull();
    expect(await node.get("k")).toBeNull();
    expect(await node.getOrSet("k", never)).toBeNull();
  });

  it("undefined from a loader means that the key does not exist, and by default nothing remembers that", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "1m" });
    let runs = 0;
    const loader = (): undefined => {
      runs++;
    };
    expect(await node.getOrSet("k", loader)).toBeUndefined();
    expect(await node.getOrSet("k", loader)).toBeUndefined();
    expect(runs).toBe(2);
    expect(world.store.commits).toBe(0);
    expect(await node.find("k")).toBeUndefined();
  });

  it("without a store and without a cache that has it a key is NOT_FOUND", async () => {
    const node = new ReadWorld().node({ store: false });
    node.register("k", { ttl: "1m" });
    expect(await failureOf(node.get("k"))).toMatchObject({ code: "NOT_FOUND" });
  });
});

describe("negative entries", () => {
  it("a key known not to exist is answered without the store until negativeTtl is over", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "1h", negativeTtl: "10s" });
    expect(await node.find("k")).toBeUndefined();
    expect(world.store.reads).toBe(1);
    expect(await failureOf(node.get("k"))).toMatchObject({ code: "NOT_FOUND" });
    expect(await node.find("k")).toBeUndefined();
    expect(await node.getMany(["k"])).toEqual(new Map());
    expect(world.store.reads).toBe(1);
    await world.clock.advance(10_000);
    expect(await node.find("k")).toBeUndefined();
    expect(world.store.reads).toBe(2);
  });

  it("peek shows nothing for a key known not to exist", async () => {
    const node = new ReadWorld().node();
    node.register("k", { ttl: "1h", negativeTtl: "10s" });
    await node.find("k");
    expect(node.peek("k")).toBeUndefined();
    expect(await node.inspect("k")).toMatchObject({ tier: "local", negative: true, leftMs: 10_000 });
  });

  it("getOrSet runs its loader although a negative entry stands", async () => {
    const node = new ReadWorld().node();
    node.register("k", { ttl: "1h", negativeTtl: "10s" });
    await node.find("k");
    expect(await node.getOrSet("k", () => "made")).toBe("made");
    expect(await node.get("k")).toBe("made");
  });

  it("what a loader says does not exist is remembered for negativeTtl, and the loader runs at each getOrSet", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "1h", negativeTtl: "10s" });
    let runs = 0;
    const loader = (): undefined => {
      runs++;
    };
    await node.getOrSet("k", loader);
    const { reads } = world.store;
    expect(await node.find("k")).toBeUndefined();
    expect(world.store.reads).toBe(reads);
    await node.getOrSet("k", loader);
    expect(runs).toBe(2);
  });

  it("a write ends a negative entry at once", async () => {
    const node = new ReadWorld().node();
    node.register("k", { ttl: "1h", negativeTtl: "1h" });
    await node.find("k");
    await node.set("k", 1);
    expect(await node.get("k")).toBe(1);
  });

  it("a negative entry in the shared tier answers other nodes, and does not keep their loaders from creating", async () => {
    const world = new ReadWorld();
    const [a, b] = [await world.readyNode({ shared: true }), await world.readyNode({ shared: true, bus: false })];
    // Without a bus each node trusts only an epoch of its own: the second joined last.
    for (const node of [a, b]) node.register("k", { ttl: "1h", negativeTtl: "1h" });
    await b.set("k", 1);
    await b.delete("k");
    expect(await b.find("k")).toBeUndefined();
    await world.clock.advance(1);
    expect(world.sharedData.slots.get("k")?.bytes).toBeDefined();
    await b.unregister("k");
    b.register("k", { ttl: "1h", negativeTtl: "1h" });
    // The store holds a tombstone: what the loader made is stored all the same.
    expect(await b.getOrSet("k", () => "made")).toBe("made");
    expect(await world.outside.get("k")).toMatchObject({ value: expect.any(Uint8Array) });
  });

  it("a loader is not run for a key that the store got while a negative entry stood in the shared tier", async () => {
    const world = new ReadWorld();
    const b = await world.readyNode({ shared: true });
    b.register("k", { ttl: "1h", negativeTtl: "1h" });
    await b.find("k");
    await world.clock.advance(1);
    await b.unregister("k");
    b.register("k", { ttl: "1h", negativeTtl: "1h" });
    const other = world.node();
    other.register("k", { ttl: "1h" });
    await other.set("k", "from elsewhere");
    expect(await b.getOrSet("k", never)).toBe("from elsewhere");
  });
});

describe("what reads refuse", () => {
  it.each([
    ["an empty key", ""],
    ["a key with a star", "user:*"],
    ["a key of more than 1 024 bytes", "é".repeat(513)],
    ["a key that is not well-formed", "\ud800"],
  ])("%s is INVALID_ARGUMENT", async (_, key) => {
    const node = new ReadWorld().node();
    node.register("*", { ttl: "1m" });
    expect(await failureOf(node.get(key))).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(await failureOf(node.find(key))).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(await failureOf(node.getOrSet(key, never))).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(await failureOf(node.getMany([key]))).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(() => node.peek(key)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });

  it("Warp's own keys are hidden", async () => {
    const node = new ReadWorld().node();
    node.register("*", { ttl: "1m" });
    const failure = await failureOf(node.get("\u0000warp:lease:1"));
    expect(["INVALID_ARGUMENT", "UNREGISTERED"]).toContain(failure.code);
  });

  it.each([
    ["an unknown option", { unknown: 1 }],
    ["a timeout that is no duration", { hardTimeout: "soon" }],
    ["a signal that is none", { signal: {} }],
    ["another kind of persisting", { persist: "disk" }],
    ["options that are no object", null],
  ])("%s rejects with INVALID_ARGUMENT and does not throw", async (_, options) => {
    const node = new ReadWorld().node();
    node.register("k", { ttl: "1m" });
    const given = options as never;
    for (const call of [
      () => node.get("k", given),
      () => node.find("k", given),
      () => node.getOrSet("k", never, given),
      () => node.getMany(["k"], given),
      () => node.getOrSetMany(["k"], () => new Map(), given),
    ]) {
      expect(await failureOf(call())).toMatchObject({ code: "INVALID_ARGUMENT" });
    }
  });

  it("a loader that is no function is INVALID_ARGUMENT", async () => {
    const node = new ReadWorld().node();
    node.register("k", { ttl: "1m" });
    expect(await failureOf(node.getOrSet("k", 5 as never))).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(await failureOf(node.getOrSetMany(["k"], {} as never))).toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  it("a closed node refuses every read with CLOSED", async () => {
    const node = new ReadWorld().node();
    node.register("k", { ttl: "1m" });
    await node.set("k", 1);
    await node.close();
    expect(await failureOf(node.get("k"))).toMatchObject({ code: "CLOSED" });
    expect(await failureOf(node.find("k"))).toMatchObject({ code: "CLOSED" });
    expect(await failureOf(node.getOrSet("k", never))).toMatchObject({ code: "CLOSED" });
    expect(await failureOf(node.getMany(["k"]))).toMatchObject({ code: "CLOSED" });
    expect(await failureOf(node.getMany([]))).toMatchObject({ code: "CLOSED" });
    expect(await failureOf(node.getOrSetMany(["k"], () => new Map()))).toMatchObject({ code: "CLOSED" });
    expect(() => node.peek("k")).toThrow(expect.objectContaining({ code: "CLOSED" }));
  });

  it("a caller that has aborted already is told so, also where the local tier could answer", async () => {
    const node = new ReadWorld().node();
    node.register("k", { ttl: "1m" });
    await node.set("k", 1);
    const signal = AbortSignal.abort("not wanted");
    expect(await failureOf(node.get("k", { signal }))).toMatchObject({ code: "ABORTED", cause: "not wanted" });
  });
});

describe("a node on the machine's own clock", () => {
  it("needs no options at all: it is a local cache", async () => {
    const node = new Warp();
    node.register("k", { ttl: "1m" });
    expect(await node.getOrSet("k", ({ key }) => `${key}!`)).toBe("k!");
    expect(await node.get("k")).toBe("k!");
    await node.close();
  });
});
