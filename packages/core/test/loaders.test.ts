import { describe, expect, it } from "@jest/globals";
import { type LoaderInput, MemoryStore, WarpError } from "../src/index.ts";
import { failOnUnhandledRejections, failureOf, watch } from "./support/outcomes.ts";
import { ReadWorld } from "./support/read-world.ts";
import { settle } from "./support/virtual-clock.ts";

failOnUnhandledRejections();

const never = (): never => {
  throw new Error("this loader must not run");
};

const storedJson = (value: unknown): Uint8Array => new Uint8Array([1, ...Buffer.from(JSON.stringify(value))]);

const inStore = async (world: ReadWorld, key: string): Promise<unknown> => {
  const record = await world.outside.get(key);
  if (record === undefined || record === "unchanged" || record.value === undefined) return undefined;
  return JSON.parse(Buffer.from(record.value.subarray(1)).toString());
};

describe("what a loader is given and may give", () => {
  it("its key, a signal, and what it is to replace if that is known", async () => {
    const world = new ReadWorld();
    const node = world.node({ store: false });
    node.register("k", { ttl: "1s", failSafe: "1h" });
    const inputs: LoaderInput<unknown>[] = [];
    const loader = (input: LoaderInput<unknown>): number => inputs.push(input);
    await node.getOrSet("k", loader);
    await world.clock.advance(2_000);
    await node.getOrSet("k", loader);
    await node.getOrSet("k", loader, { refresh: true });
    expect(inputs.map(({ key, current }) => [key, current])).toEqual([
      ["k", undefined],
      ["k", 1],
      ["k", 2],
    ]);
    expect(inputs.every(({ signal }) => signal.aborted === false)).toBe(true);
  });

  it("a value or a promise of one", async () => {
    const node = new ReadWorld().node();
    node.register("k*", { ttl: "1m" });
    expect(await node.getOrSet("k1", () => "at once")).toBe("at once");
    expect(await node.getOrSet("k2", async () => "later")).toBe("later");
  });

  it.each([
    ["throws", () => never()],
    ["rejects", () => Promise.reject(new Error("this loader must not run"))],
  ])("one that %s rejects its caller with its own error", async (_, loader) => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "1m", negativeTtl: "1m" });
    const failure = await failureOf(node.getOrSet("k", loader));
    expect(failure.message).toBe("this loader must not run");
    expect(WarpError.is(failure)).toBe(false);
    expect(world.store.commits).toBe(0);
    expect(await node.getOrSet("k", () => 1)).toBe(1);
  });

  it("an error that is no Error passes as it is", async () => {
    const node = new ReadWorld().node();
    node.register("k", { ttl: "1m" });
    await expect(node.getOrSet("k", () => Promise.reject("text"))).rejects.toBe("text");
    await expect(node.getOrSet("k", () => Promise.reject(undefined))).rejects.toBeUndefined();
  });

  it("a value that would not come back deep-equal is refused with INVALID_VALUE before anything changed", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "1m" });
    for (const value of [new Map(), 1n, Number.NaN, new (class Money {})(), new Date(0)]) {
      expect(await failureOf(node.getOrSet("k", () => value))).toMatchObject({ code: "INVALID_VALUE", key: "k" });
      expect(await failureOf(node.getOrSet("k", () => value, { persist: "none" }))).toMatchObject({
        code: "INVALID_VALUE",
      });
    }
    expect(world.store.commits).toBe(0);
    expect(node.peek("k")).toBeUndefined();
  });

  it("where only this node's memory keeps it, any value will do", async () => {
    const node = new ReadWorld().node({ store: false });
    node.register("k", { ttl: "1m" });
    const value = new Map([[1n, Number.NaN]]);
    expect(await node.getOrSet("k", () => value)).toBe(value);
    expect(await node.get("k")).toBe(value);
  });
});

describe("where a loaded value goes", () => {
  it("the local tier and the store, from where other nodes have it", async () => {
    const world = new ReadWorld();
    const [node, other] = [world.node(), world.node()];
    for (const each of [node, other]) each.register("k", { ttl: "1m" });
    expect(await node.getOrSet("k", () => ({ made: true }))).toEqual({ made: true });
    expect(node.peek("k")).toEqual({ made: true });
    expect(await inStore(world, "k")).toEqual({ made: true });
    expect(await other.getOrSet("k", never)).toEqual({ made: true });
  });

  it("another node's copies are dropped when a loaded value is stored", async () => {
    const world = new ReadWorld();
    const [node, other] = [await world.readyNode({ bus: true }), await world.readyNode({ bus: true })];
    for (const each of [node, other]) each.register("k", { ttl: "1h", negativeTtl: "1h" });
    expect(await other.find("k")).toBeUndefined();
    await node.getOrSet("k", () => "made");
    await world.clock.advance(10);
    expect(await other.find("k")).toBe("made");
  });

  it('persist: "none" keeps it out of the store, and in the caches', async () => {
    const world = new ReadWorld();
    const node = await world.readyNode({ shared: true });
    node.register("k", { ttl: "1m" });
    expect(await node.getOrSet("k", () => "made", { persist: "none" })).toBe("made");
    expect(world.store.commits).toBe(0);
    expect(await inStore(world, "k")).toBeUndefined();
    expect(node.peek("k")).toBe("made");
    await world.clock.advance(1);
    expect(world.sharedData.slots.get("k")?.bytes).toBeDefined();
  });

  it('a suspect value of persist: "none" has no revision to ask about: it is dropped and made anew', async () => {
    const world = new ReadWorld();
    const node = await world.readyNode({ bus: true });
    node.register("k", { ttl: "1h" });
    await node.getOrSet("k", () => "first", { persist: "none" });
    node.register("*", { ttl: "1h" });
    expect(await node.getOrSet("k", () => "second", { persist: "none" })).toBe("second");
  });

  it("what the loader gives may not be stored: the caches have nothing either, and the caller is told", async () => {
    const world = new ReadWorld();
    const node = world.node({}, { deadlines: { store: 100 } });
    node.register("k", { ttl: "1h" });
    const call = watch(
      node.getOrSet("k", () => {
        world.storeFaults.mode = "refuses";
        return "made";
      }),
    );
    await world.clock.advance(5_000);
    expect(call.state).toBe("rejected");
    expect(["UNAVAILABLE", "DEADLINE_EXCEEDED", "OUTCOME_UNKNOWN"]).toContain(call.code);
    expect(node.peek("k")).toBeUndefined();
  });
});

describe("conditional creation", () => {
  it("somebody who stored first wins: the result is what the store holds, and so is every later read", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "1m" });
    const result = await node.getOrSet("k", () => {
      world.outside.changeOutside("k", storedJson("theirs"));
      return "ours";
    });
    expect(result).toBe("theirs");
    expect(await inStore(world, "k")).toBe("theirs");
    expect(await node.get("k")).toBe("theirs");
    expect(world.metrics.count("store_conflicts_total")).toBe(1);
  });

  it("somebody who stored and removed it first wins too: the result is that there is none", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "1m" });
    const result = await node.getOrSet("k", () => {
      world.outside.changeOutside("k", storedJson("theirs"));
      world.outside.changeOutside("k", undefined);
      return "ours";
    });
    expect(result).toBeUndefined();
    expect(await inStore(world, "k")).toBeUndefined();
  });

  it("two nodes that load one key agree on one value", async () => {
    const world = new ReadWorld();
    const nodes = ["a", "b", "c"].map((name) => ({ name, node: world.node() }));
    for (const { node } of nodes) node.register("k", { ttl: "1m" });
    const results = await Promise.all(nodes.map(({ name, node }) => node.getOrSet("k", () => name)));
    expect(new Set(results).size).toBe(1);
    expect(await inStore(world, "k")).toBe(results[0]);
    for (const { node } of nodes) expect(await node.get("k")).toBe(results[0]);
  });

  it("a key that was deleted can be created again", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "1m" });
    await node.set("k", 1);
    await node.delete("k");
    expect(await node.getOrSet("k", () => 2)).toBe(2);
    expect(await inStore(world, "k")).toBe(2);
  });

  it("a value that had expired in the store is created again", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "1s", storeTtl: "2s" });
    await node.getOrSet("k", () => 1);
    await world.clock.advance(3_000);
    expect(await node.getOrSet("k", () => 2)).toBe(2);
    expect(await inStore(world, "k")).toBe(2);
  });
});

describe("refresh", () => {
  it("asks the store whatever the caches hold", async () => {
    const world = new ReadWorld();
    const node = await world.readyNode({ shared: true });
    node.register("k", { ttl: "1h" });
    await node.set("k", "old");
    await node.get("k");
    world.outside.changeOutside("k", storedJson("new"));
    expect(await node.get("k")).toBe("old");
    expect(await node.get("k", { refresh: true })).toBe("new");
    expect(await node.get("k")).toBe("new");
  });

  it("with a loader runs it, and replaces what the store held before it began", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "1h" });
    await node.set("k", 1);
    const loader = ({ current }: LoaderInput<unknown>): number => (current as number) + 1;
    expect(await node.getOrSet("k", loader, { refresh: true })).toBe(2);
    expect(await inStore(world, "k")).toBe(2);
    expect(await node.get("k")).toBe(2);
  });

  it("a value that is gone from the store is gone from the caches after it", async () => {
    const world = new ReadWorld();
    const node = await world.readyNode({ shared: true });
    node.register("k", { ttl: "1h", failSafe: "1d" });
    await node.set("k", "old");
    await world.clock.advance(1);
    await node.get("k");
    world.outside.changeOutside("k", undefined);
    expect(await node.find("k", { refresh: true })).toBeUndefined();
    await settle();
    expect(node.peek("k")).toBeUndefined();
    expect(await node.find("k")).toBeUndefined();
    world.storeFaults.mode = "refuses";
    expect(await failureOf(node.get("k"))).toMatchObject({ code: "UNAVAILABLE" });
  });

  it("a loader that says that the key does not exist takes it out of the caches", async () => {
    const world = new ReadWorld();
    const node = await world.readyNode({ store: false, shared: true });
    node.register("k", { ttl: "1h" });
    await node.getOrSet("k", () => "here");
    await world.clock.advance(1);
    expect(await node.getOrSet("k", () => undefined, { refresh: true })).toBeUndefined();
    await settle();
    expect(await node.find("k")).toBeUndefined();
    expect(await node.getOrSet("k", () => "again")).toBe("again");
  });

  it("several keys can be asked for anew in one round trip", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k*", { ttl: "1h" });
    await node.setMany([
      ["k1", 1],
      ["k2", 2],
    ]);
    world.outside.changeOutside("k1", storedJson(10));
    const { reads } = world.store;
    expect(await node.getMany(["k1", "k2"], { refresh: true })).toEqual(
      new Map([
        ["k1", 10],
        ["k2", 2],
      ]),
    );
    expect(world.store.reads).toBe(reads + 1);
  });
});

describe("a store whose replies are slow", () => {
  it("nothing is loaded while the store has not answered", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "1h" });
    await new MemoryStore({ clock: world.clock, data: world.storeData }).now();
    world.outside.changeOutside("k", storedJson(1));
    world.storeFaults.latencyMs = 50;
    const call = watch(node.getOrSet("k", never));
    await world.clock.advance(99);
    expect(call.state).toBe("pending");
    await world.clock.advance(1);
    expect(call.value).toBe(1);
  });
});
