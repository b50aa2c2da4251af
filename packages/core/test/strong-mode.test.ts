import { describe, expect, it } from "@jest/globals";
import type { MergeEngine, Warp, WarpOptions } from "../src/index.ts";
import { Cluster, gate, sum, watched } from "./support/cluster.ts";
import { failOnUnhandledRejections } from "./support/outcomes.ts";

failOnUnhandledRejections();

const strong = { mode: "strong-distributed", ttl: "1h" } as const;

const register = (warp: Warp): void => {
  warp.register("s:*", strong);
  warp.register("c:*", { ...strong, merge: sum as MergeEngine });
};

/** Nodes that have heard each other. */
const nodes = async (cluster: Cluster, names: readonly string[], options: WarpOptions = {}): Promise<Warp[]> => {
  const all: Warp[] = [];
  for (const name of names) {
    const warp = await cluster.member(name, { store: cluster.store(), ...options });
    register(warp);
    all.push(warp);
  }
  await cluster.clock.advance(1_500);
  return all;
};

const three = async (options: WarpOptions = {}) => {
  const cluster = new Cluster();
  const [a, b, c] = (await nodes(cluster, ["a", "b", "c"], options)) as [Warp, Warp, Warp];
  return { cluster, a, b, c };
};

describe("a strong write", () => {
  it("is read by every node as soon as it is done, although no announcement of it arrives", async () => {
    const { cluster, a, b, c } = await three();
    await cluster.run(a.set("s:1", "old"));
    expect(await cluster.run(b.get("s:1"))).toBe("old");
    expect(await cluster.run(c.get("s:1"))).toBe("old");
    cluster.network.faults.drop = ({ to }) => to === "c";
    await cluster.run(a.set("s:1", "new"));
    expect(await cluster.run(b.get("s:1"))).toBe("new");
    expect(await cluster.run(c.get("s:1"))).toBe("new");
  });

  it("without a quorum is refused in time, and the store has not changed", async () => {
    const { cluster, a } = await three();
    await cluster.run(a.set("s:1", "old"));
    cluster.network.faults.drop = ({ from, to }) => from === "a" && to !== "a";
    const began = cluster.clock.monotonic();
    const error = await cluster.failure(a.set("s:1", "new"));
    expect(error.code).toBe("QUORUM_NOT_SATISFIED");
    expect([error.required, error.acknowledged, error.key]).toEqual([2, 1, "s:1"]);
    expect(cluster.clock.monotonic() - began).toBe(2_000);
    expect(cluster.stored("s:1")).toBe("old");
    expect(await cluster.run(a.get("s:1"))).toBe("old");
  });

  it("of a node that does not hear the bus is refused as UNAVAILABLE", async () => {
    const { cluster, a } = await three();
    cluster.network.disconnect("a");
    await cluster.clock.advance(5_000);
    const error = await cluster.failure(a.set("s:1", "new"));
    expect([error.code, error.port]).toEqual(["UNAVAILABLE", "bus"]);
    expect(cluster.stored("s:1")).toBeUndefined();
    cluster.network.reconnect("a");
    await cluster.clock.advance(3_000);
    expect(await cluster.run(a.set("s:1", "new"))).toBe("new");
  });

  it("takes a majority of the members heard of, those that vanished lately among them", async () => {
    const { cluster, a } = await three();
    cluster.network.disconnect("b");
    cluster.network.disconnect("c");
    await cluster.clock.advance(10_000);
    expect((await cluster.failure(a.set("s:1", 1))).code).toBe("QUORUM_NOT_SATISFIED");
    await cluster.clock.advance(60_000);
    expect(a.nodes()).toEqual(["a"]);
    expect(await cluster.run(a.set("s:1", 1))).toBe(1);
  });

  it("asks for as many nodes and zones as setQuorum says", async () => {
    const cluster = new Cluster();
    const a = (await nodes(cluster, ["a"], { zone: "east" }))[0] as Warp;
    await nodes(cluster, ["b"], { zone: "east" });
    expect(a.setQuorum("s:*", { replicas: 2, zones: 2 })).toBe(true);
    const error = await cluster.failure(a.set("s:1", 1));
    expect([error.code, error.required, error.acknowledged]).toEqual(["QUORUM_NOT_SATISFIED", 2, 2]);
    expect(error.message).toContain("1 of 2 zones");
    await nodes(cluster, ["c"], { zone: "west" });
    expect(await cluster.run(a.set("s:1", 1))).toBe(1);
    a.setQuorum("s:*", 4);
    expect((await cluster.failure(a.set("s:1", 2))).required).toBe(4);
    a.setQuorum("s:*", 1);
    cluster.network.faults.drop = ({ from, to }) => from !== to;
    expect(await cluster.run(a.set("s:1", 3))).toBe(3);
  });

  it("is announced again where the first announcement was lost", async () => {
    const { cluster, a } = await three();
    let lost = 0;
    cluster.network.faults.drop = ({ from, to }) => from === "a" && to !== "a" && lost++ < 2;
    expect(await cluster.run(a.set("s:1", 1))).toBe(1);
    expect(lost).toBeGreaterThanOrEqual(2);
  });

  it("of many keys travels in as many frames as it needs, and counts whoever acknowledged all of them", async () => {
    const { cluster, a, b } = await three();
    const keys = Array.from({ length: 100 }, (_, index) => `s:${"x".repeat(900)}${index}`);
    const transaction = a.txn();
    for (const key of keys) transaction.set(key, 1);
    await cluster.run(transaction.commit());
    const values = await cluster.run(b.getMany(keys));
    expect([...values.values()]).toEqual(keys.map(() => 1));
  });

  it("whose key another node keeps otherwise does not count that node, and both say so", async () => {
    const cluster = new Cluster();
    const [a] = (await nodes(cluster, ["a"])) as [Warp];
    const b = await cluster.member("b");
    b.register("s:*", { ttl: "1h" });
    await cluster.run(b.set("s:1", "old"));
    expect(b.peek("s:1")).toBe("old");
    await cluster.clock.advance(1_500);
    const error = await cluster.failure(a.set("s:1", "new"));
    expect([error.code, error.required, error.acknowledged]).toEqual(["QUORUM_NOT_SATISFIED", 2, 1]);
    expect(error.message).toContain("b registered the key otherwise");
    expect(b.peek("s:1")).toBeUndefined();
  });
});

describe("while a strong write is under way", () => {
  it("nodes that acknowledged hold no copy and make none, and hold one again after it", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const [a] = (await nodes(cluster, ["a"], { store: store.port })) as [Warp];
    const [b] = (await nodes(cluster, ["b"])) as [Warp];
    await cluster.run(a.set("s:1", "old"));
    await cluster.run(b.get("s:1"));
    expect((await b.inspect("s:1")).tier).toBe("local");
    const { opened, open } = gate();
    store.faults.before = (method) => (method === "commit" ? opened : undefined);
    const writing = a.set("s:1", "new");
    await cluster.settle();
    expect((await b.inspect("s:1")).tier).toBeUndefined();
    expect(await cluster.run(b.get("s:1"))).toBe("old");
    expect((await b.inspect("s:1")).tier).toBeUndefined();
    open();
    await cluster.run(writing);
    await cluster.settle();
    expect((await a.inspect("s:1")).tier).toBe("local");
    expect(await cluster.run(b.get("s:1"))).toBe("new");
    expect((await b.inspect("s:1")).tier).toBe("local");
  });

  it("a writer that died blocks no cache for longer than its fence lasts", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const [a] = (await nodes(cluster, ["a"], { store: store.port })) as [Warp];
    const [b] = (await nodes(cluster, ["b"])) as [Warp];
    await cluster.run(b.set("s:1", "old"));
    store.faults.before = (method) => (method === "commit" ? gate().opened : undefined);
    void a.set("s:1", "new").catch(() => undefined);
    await cluster.settle();
    cluster.network.disconnect("a");
    await cluster.clock.advance(4_900);
    await cluster.run(b.get("s:1"));
    expect((await b.inspect("s:1")).tier).toBeUndefined();
    await cluster.clock.advance(200);
    await cluster.run(b.get("s:1"));
    expect((await b.inspect("s:1")).tier).toBe("local");
  });
});

describe("a strong read", () => {
  it("asks the store whether its copy still stands, and moves no bytes while it does", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const [a] = (await nodes(cluster, ["a"], { store: store.port })) as [Warp];
    const value = { deep: true };
    await cluster.run(a.set("s:1", value));
    store.calls.length = 0;
    const readings = await cluster.run(Promise.all([a.get("s:1"), a.find("s:1"), a.get("s:1")]));
    expect(readings.every((read) => read === value)).toBe(true);
    expect(store.calls).toEqual(["get"]);
    expect(a.peek("s:1")).toBeUndefined();
  });

  it("does not share a question that was sent before it came", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const [a] = (await nodes(cluster, ["a"], { store: store.port })) as [Warp];
    await cluster.run(a.set("s:1", "old"));
    const { opened, open } = gate();
    store.faults.after = (method) => (method === "get" ? opened : undefined);
    const early = a.get("s:1");
    await cluster.settle();
    store.faults.after = undefined;
    await cluster.run(a.set("s:1", "new"));
    expect(await cluster.run(a.get("s:1"))).toBe("new");
    open();
    expect(["old", "new"]).toContain(await cluster.run(early));
    expect(await cluster.run(a.get("s:1"))).toBe("new");
  });

  it("is never stale: while the store is away it rejects", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const [a] = (await nodes(cluster, ["a"], { store: store.port })) as [Warp];
    await cluster.run(a.set("s:1", "old"));
    store.faults.before = () => Promise.reject(new Error("away"));
    expect((await cluster.failure(a.get("s:1"))).code).toBe("UNAVAILABLE");
  });

  it("of several keys is one statement and one state of the store", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const [a] = (await nodes(cluster, ["a"], { store: store.port })) as [Warp];
    await cluster.run(a.transaction((txn) => txn.set("s:1", 1).set("s:2", 2)));
    store.calls.length = 0;
    const read = await cluster.run(a.getMany(["s:1", "s:2", "s:3"]));
    expect([...read]).toEqual([
      ["s:1", 1],
      ["s:2", 2],
    ]);
    expect(store.calls).toEqual(["getMany"]);
  });
});

describe("on strong keys", () => {
  it("merges of two nodes all count, and a delete tells whether there was a value", async () => {
    const { cluster, a, b } = await three();
    await cluster.run(Promise.all([a.set("c:1", 1), b.set("c:1", 1), a.set("c:1", 1), b.set("c:1", 1)]));
    expect(await cluster.run(b.get("c:1"))).toBe(4);
    expect(await cluster.run(b.delete("c:1"))).toBe(true);
    expect(await cluster.run(a.delete("c:1"))).toBe(false);
    expect(await cluster.run(a.find("c:1"))).toBeUndefined();
  });

  it("getOrSet runs one loader for all, and gives what the store holds where another node was first", async () => {
    const { cluster, a, b } = await three();
    let loads = 0;
    const loader = () => `loaded ${++loads}`;
    const all = await cluster.run(Promise.all(Array.from({ length: 50 }, () => a.getOrSet("s:1", loader))));
    expect([...new Set(all)]).toEqual(["loaded 1"]);
    expect(loads).toBe(1);
    const { opened, open } = gate();
    const slow = b.getOrSet("s:2", async () => {
      await opened;
      return "late";
    });
    await cluster.settle();
    await cluster.run(a.set("s:2", "first"));
    open();
    expect(await cluster.run(slow)).toBe("first");
    expect(await cluster.run(a.getOrSet("s:3", () => undefined))).toBeUndefined();
  });

  it("invalidate needs a quorum, and leaves the store alone", async () => {
    const { cluster, a, b } = await three();
    await cluster.run(a.set("s:1", 1));
    await cluster.run(b.get("s:1"));
    await cluster.run(a.invalidate("s:1"));
    expect((await b.inspect("s:1")).tier).toBeUndefined();
    expect(cluster.stored("s:1")).toBe(1);
    cluster.network.faults.drop = ({ from, to }) => from !== to;
    expect((await cluster.failure(a.invalidate("s:1"))).code).toBe("QUORUM_NOT_SATISFIED");
  });

  it("a transaction with other keys waits for the quorum before anything is applied", async () => {
    const { cluster, a, b } = await three();
    await cluster.run(a.transaction((txn) => txn.set("s:1", 1).set("k:1", 1)));
    expect(await cluster.run(b.get("s:1"))).toBe(1);
    expect(await cluster.run(b.get("k:1"))).toBe(1);
    cluster.network.faults.drop = ({ from, to }) => from !== to;
    const error = await cluster.failure(a.txn().set("s:1", 2).set("k:1", 2).commit());
    expect(error.code).toBe("QUORUM_NOT_SATISFIED");
    expect([cluster.stored("s:1"), cluster.stored("k:1")]).toEqual([1, 1]);
  });

  it("a key that was read in a transaction and changed is a CONFLICT", async () => {
    const { cluster, a, b } = await three();
    await cluster.run(a.set("s:1", 1));
    const txn = a.txn();
    await cluster.run(txn.get("s:1"));
    await cluster.run(b.set("s:1", 2));
    expect((await cluster.failure(txn.set("s:2", 1).commit())).code).toBe("CONFLICT");
  });

  it("what would make a read stale is refused at once, and so is a node without store or bus", () => {
    const cluster = new Cluster();
    const complete = cluster.node("a", { store: cluster.store(), bus: cluster.bus() });
    for (const option of [
      { failSafe: "1h" },
      { softTimeout: 5 },
      { negativeTtl: "1s" },
      { eagerRefresh: 0.1 },
    ] as const) {
      expect(() => complete.register("s:*", { ...strong, ...option })).toThrow(Object.keys(option)[0] as string);
    }
    expect(() => cluster.node("b", { bus: cluster.bus() }).register("s:*", strong)).toThrow("needs a store");
    expect(() => cluster.node("c", { store: cluster.store() }).register("s:*", strong)).toThrow("needs a bus");
  });
});
