import { describe, expect, it } from "@jest/globals";
import type { WarpError } from "../src/index.ts";
import { Cluster, watched } from "./support/cluster.ts";
import { failOnUnhandledRejections, failureOf, watch } from "./support/outcomes.ts";
import { ReadWorld } from "./support/read-world.ts";
import { settle } from "./support/virtual-clock.ts";

failOnUnhandledRejections();

const keysOf = (count: number): string[] => Array.from({ length: count }, (_, index) => `k${index}`);
const made = ({ keys }: { readonly keys: readonly string[] }): Map<string, string> =>
  new Map(keys.map((key) => [key, `made ${key}`]));

// docs/pitfalls.md, 30: bulk calls with one round trip, per-key errors.
describe("getMany", () => {
  it.each([
    [2, 1],
    [500, 3],
  ])("%d keys cost %d calls at once to the shared tier and one to the store", async (count, calls) => {
    const world = new ReadWorld();
    const [writer, reader] = [world.node(), await world.readyNode({ shared: true })];
    for (const node of [writer, reader]) node.register("k*", { ttl: "1h" });
    const keys = keysOf(count);
    await writer.setMany(keys.map((key) => [key, key]));
    const before = { shared: world.shared.reads, store: world.store.reads };
    expect(await reader.getMany(keys)).toEqual(new Map(keys.map((key) => [key, key])));
    expect(world.shared.reads - before.shared).toBe(calls);
    expect(world.store.reads - before.store).toBe(1);
    expect(await reader.getMany(keys)).toHaveProperty("size", count);
    expect(world.store.reads - before.store).toBe(1);
  });

  it("asks only for what the local tier does not have, and only the store for what the shared one has not", async () => {
    const world = new ReadWorld();
    const node = await world.readyNode({ shared: true });
    node.register("k*", { ttl: "1h" });
    await node.setMany(keysOf(3).map((key) => [key, key]));
    await node.invalidate("k1");
    const before = world.store.gets + world.store.getManys;
    expect(await node.getMany(keysOf(3))).toHaveProperty("size", 3);
    expect(world.store.getManys + world.store.gets - before).toBe(1);
    expect(world.store.gets).toBe(1);
  });

  it("has the values there are in the order of the keys, a key asked for twice once, and no misses", async () => {
    const node = new ReadWorld().node();
    node.register("k*", { ttl: "1h" });
    await node.set("k2", 2);
    await node.set("k1", null);
    expect([...(await node.getMany(["k2", "k3", "k1", "k2"]))]).toEqual([
      ["k2", 2],
      ["k1", null],
    ]);
    expect(await node.getMany([])).toEqual(new Map());
  });

  it("failures come in one error, by key, and do not hide which keys failed", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k*", { ttl: "1h" });
    await node.set("k1", 1);
    world.outside.changeOutside("k2", new Uint8Array([99, 1, 2]));
    const failure = await failureOf(node.getMany(["k1", "k2", "other"]));
    expect(failure).toMatchObject({ operation: "getMany" });
    expect([...(failure.errors ?? [])].map(([key, { code }]) => [key, code])).toEqual([
      ["k2", "CORRUPT"],
      ["other", "UNREGISTERED"],
    ]);
  });

  it("one deadline and one signal hold for all keys", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k*", { ttl: "1h" });
    await node.set("k0", 0);
    world.storeFaults.mode = "silent";
    const late = watch(node.getMany(keysOf(3), { hardTimeout: 50 }));
    const controller = new AbortController();
    const aborted = watch(node.getMany(keysOf(3), { signal: controller.signal }));
    await world.clock.advance(10);
    controller.abort();
    await settle();
    expect(aborted.code).toBe("ABORTED");
    expect([...((aborted.error as WarpError).errors?.keys() ?? [])]).toEqual(["k1", "k2"]);
    await world.clock.advance(40);
    expect(late.code).toBe("DEADLINE_EXCEEDED");
  });

  it("suspects among the keys are revalidated in the same round trip, and move no bytes", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k*", { ttl: "1h" });
    await node.setMany(keysOf(50).map((key) => [key, key]));
    node.register("*", { ttl: "1h" });
    const before = { reads: world.store.reads, bytes: world.store.bytesRead };
    expect(await node.getMany(keysOf(50))).toHaveProperty("size", 50);
    expect(world.store.reads - before.reads).toBe(1);
    expect(world.store.bytesRead - before.bytes).toBe(0);
  });

  it("hits of the slow path and of getMany are the same answer: one validity check for every call", async () => {
    // docs/pitfalls.md, 8.
    const world = new ReadWorld();
    const node = world.node({ store: false });
    node.register("k", { ttl: "1s" });
    await node.set("k", 1);
    const all = async (): Promise<unknown[]> => [
      await node.find("k"),
      await node.find("k", {}),
      node.peek("k"),
      (await node.getMany(["k"])).get("k"),
    ];
    expect(await all()).toEqual([1, 1, 1, 1]);
    await world.clock.advance(1_000);
    expect(await all()).toEqual([undefined, undefined, undefined, undefined]);
    await node.set("k", 2);
    await node.delete("k");
    expect(await all()).toEqual([undefined, undefined, undefined, undefined]);
  });
});

describe("getOrSetMany", () => {
  it("runs the loader once, for the keys that nobody has, and stores what it makes in one commit", async () => {
    const world = new ReadWorld();
    const node = await world.readyNode({ shared: true });
    node.register("k*", { ttl: "1h" });
    await node.set("k0", "there");
    const { commits } = world.store;
    const runs: (readonly string[])[] = [];
    const before = { shared: world.shared.reads, store: world.store.reads };
    const values = await node.getOrSetMany(keysOf(4), (input) => {
      runs.push(input.keys);
      return made(input);
    });
    expect(runs).toEqual([["k1", "k2", "k3"]]);
    expect([...values]).toEqual([
      ["k0", "there"],
      ["k1", "made k1"],
      ["k2", "made k2"],
      ["k3", "made k3"],
    ]);
    expect(world.store.commits - commits).toBe(1);
    expect(world.shared.reads - before.shared).toBe(1);
    expect(world.store.reads - before.store).toBe(1);
    expect(await node.getOrSetMany(keysOf(4), () => new Map())).toHaveProperty("size", 4);
  });

  it("the loader is not run where every key is there", async () => {
    const node = new ReadWorld().node();
    node.register("k*", { ttl: "1h" });
    await node.setMany(keysOf(3).map((key) => [key, key]));
    const values = await node.getOrSetMany(keysOf(3), () => {
      throw new Error("this loader must not run");
    });
    expect(values.size).toBe(3);
    expect(await node.getOrSetMany([], () => new Map())).toEqual(new Map());
  });

  it("keys that the loader leaves out, or gives as undefined, do not exist", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k*", { ttl: "1h", negativeTtl: "1h" });
    const values = await node.getOrSetMany(
      ["k1", "k2", "k3"],
      () =>
        new Map([
          ["k1", null],
          ["k2", undefined],
        ]),
    );
    expect([...values]).toEqual([["k1", null]]);
    const { reads } = world.store;
    expect(await node.find("k2")).toBeUndefined();
    expect(await node.find("k3")).toBeUndefined();
    expect(world.store.reads).toBe(reads);
  });

  it("a failing loader fails its keys with its error as their cause, and no others", async () => {
    const node = new ReadWorld().node();
    node.register("k*", { ttl: "1h" });
    await node.set("k0", "there");
    const error = new Error("no route to host");
    const failure = await failureOf(node.getOrSetMany(["k0", "k1", "k2"], () => Promise.reject(error)));
    expect(failure).toMatchObject({ code: "UNAVAILABLE", operation: "getOrSetMany" });
    expect([...(failure.errors ?? [])].map(([key, { cause }]) => [key, cause])).toEqual([
      ["k1", error],
      ["k2", error],
    ]);
  });

  it("a loader that gives no Map is INVALID_VALUE", async () => {
    const node = new ReadWorld().node();
    node.register("k*", { ttl: "1h" });
    const failure = await failureOf(node.getOrSetMany(["k1"], () => ({ k1: 1 }) as never));
    expect(failure).toMatchObject({ code: "INVALID_VALUE" });
  });

  it("a key that another caller loads is not loaded again, and does not hold up the others", async () => {
    const node = new ReadWorld().node();
    node.register("k*", { ttl: "1h" });
    const runs: (readonly string[])[] = [];
    let end: (value: Map<string, string>) => void = () => undefined;
    const first = node.getOrSetMany(["k1", "k2"], (input) => {
      runs.push(input.keys);
      return new Promise<Map<string, string>>((resolve) => {
        end = resolve;
      });
    });
    const second = watch(
      node.getOrSetMany(["k2", "k3"], (input) => {
        runs.push(input.keys);
        return made(input);
      }),
    );
    await settle();
    expect(runs).toHaveLength(2);
    expect(runs).toEqual(expect.arrayContaining([["k1", "k2"], ["k3"]]));
    end(made({ keys: ["k1", "k2"] }));
    await first;
    await settle();
    expect(second.value).toEqual(made({ keys: ["k2", "k3"] }));
  });

  it("two calls with the same keys in other orders do not wait for each other", async () => {
    const node = new ReadWorld().node();
    node.register("k*", { ttl: "1h" });
    let runs = 0;
    const loader = (input: { readonly keys: readonly string[] }): Map<string, string> => {
      runs++;
      return made(input);
    };
    const [a, b] = await Promise.all([
      node.getOrSetMany(["k1", "k2", "k3"], loader),
      node.getOrSetMany(["k3", "k2", "k1"], loader),
    ]);
    expect(new Map([...(a ?? [])].sort())).toEqual(new Map([...(b ?? [])].sort()));
    expect(runs).toBe(1);
  });

  it("a caller's abort never ends the load that others wait for, not for any of the keys", async () => {
    const node = new ReadWorld().node();
    node.register("k*", { ttl: "1h" });
    const controller = new AbortController();
    let signal: AbortSignal | undefined;
    let end: (value: Map<string, string>) => void = () => undefined;
    const many = watch(
      node.getOrSetMany(
        ["k1", "k2"],
        (input) => {
          signal = input.signal;
          return new Promise<Map<string, string>>((resolve) => {
            end = resolve;
          });
        },
        { signal: controller.signal },
      ),
    );
    await settle();
    const other = watch(node.getOrSet("k2", () => "not needed"));
    await settle();
    controller.abort();
    await settle();
    expect(many.code).toBe("ABORTED");
    expect(signal?.aborted).toBe(false);
    end(made({ keys: ["k1", "k2"] }));
    await settle();
    expect(other.value).toBe("made k2");
  });

  it("the loader's signal aborts once nobody waits for any of its keys", async () => {
    const node = new ReadWorld().node();
    node.register("k*", { ttl: "1h" });
    const controller = new AbortController();
    let signal: AbortSignal | undefined;
    const many = watch(
      node.getOrSetMany(
        ["k1", "k2"],
        (input) => {
          signal = input.signal;
          return new Promise<never>((_, reject) =>
            input.signal.addEventListener("abort", () => reject(new Error("gone"))),
          );
        },
        { signal: controller.signal },
      ),
    );
    await settle();
    controller.abort();
    await settle();
    expect(signal?.aborted).toBe(true);
    expect(many.code).toBe("ABORTED");
  });

  it("keys that are refreshed ahead of expiry share one more run, behind the callers' backs", async () => {
    const world = new ReadWorld();
    const node = world.node({ store: false });
    node.register("k*", { ttl: "10s", eagerRefresh: 0.5 });
    const runs: (readonly string[])[] = [];
    const loader = (input: { readonly keys: readonly string[] }): Map<string, number> => {
      runs.push(input.keys);
      return new Map(input.keys.map((key) => [key, runs.length]));
    };
    await node.getOrSetMany(["k1", "k2"], loader);
    await world.clock.advance(6_000);
    expect(await node.getOrSetMany(["k1", "k2"], loader)).toEqual(
      new Map([
        ["k1", 1],
        ["k2", 1],
      ]),
    );
    await world.clock.advance(0);
    await settle();
    expect(runs).toEqual([
      ["k1", "k2"],
      ["k1", "k2"],
    ]);
    expect([node.peek("k1"), node.peek("k2")]).toEqual([2, 2]);
  });

  it("a key whose creation another writer overtook has the value that the store holds", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k*", { ttl: "1h" });
    const values = await node.getOrSetMany(["k1", "k2"], (input) => {
      world.outside.changeOutside("k1", new Uint8Array([1, ...Buffer.from('"theirs"')]));
      return made(input);
    });
    expect([...values]).toEqual([
      ["k1", "theirs"],
      ["k2", "made k2"],
    ]);
  });
});

describe("on a store that takes a request for each key", () => {
  it("what is independent goes there one by one, and only a transaction as one", async () => {
    const cluster = new Cluster();
    const { port, calls } = watched(Object.assign(cluster.store(), { sharedRoundTrips: false }));
    const node = await cluster.member("a", { store: port });
    node.register("s:*", { mode: "strong-distributed", ttl: "1h" });
    calls.length = 0;
    await cluster.run(
      node.setMany([
        ["k:1", 1],
        ["k:2", 2],
      ]),
    );
    expect(calls).toEqual(["commit", "commit"]);
    await cluster.run(Promise.all([node.invalidate("k:1"), node.invalidate("k:2")]));
    calls.length = 0;
    expect(await cluster.run(node.getMany(["k:1", "k:2"]))).toHaveProperty("size", 2);
    await cluster.run(Promise.all([node.find("s:1"), node.find("s:2")]));
    expect(calls).toEqual(["get", "get", "get", "get"]);
    calls.length = 0;
    await cluster.run(node.getMany(["s:1", "s:2"]));
    await cluster.run(node.txn().set("k:1", 1).set("k:2", 2).commit());
    expect(calls).toEqual(["getMany", "commit"]);
  });
});
