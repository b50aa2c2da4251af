import { describe, expect, it } from "@jest/globals";
import { MemoryCache, WarpError } from "../src/index.ts";
import { Cluster, gate, sum, watched } from "./support/cluster.ts";
import { failOnUnhandledRejections } from "./support/outcomes.ts";

failOnUnhandledRejections();

describe("a set over a store", () => {
  it("is in the store, in this node's cache and readable on every other node", async () => {
    const cluster = new Cluster();
    const [a, b] = [await cluster.member("a"), await cluster.member("b")];
    await expect(cluster.run(a.set("k:1", { x: 1 }))).resolves.toEqual({ x: 1 });
    expect(cluster.stored("k:1")).toEqual({ x: 1 });
    expect(a.peek("k:1")).toEqual({ x: 1 });
    await expect(cluster.run(b.get("k:1"))).resolves.toEqual({ x: 1 });
  });

  it("drops the copies of other nodes, which read it anew", async () => {
    const cluster = new Cluster();
    const [a, b] = [await cluster.member("a"), await cluster.member("b")];
    await cluster.run(a.set("k:1", 1));
    await cluster.run(b.get("k:1"));
    await cluster.run(a.set("k:1", 2));
    await cluster.settle();
    expect(b.peek("k:1")).toBeUndefined();
    await expect(cluster.run(b.get("k:1"))).resolves.toBe(2);
  });

  it("empties the slot of the shared tier", async () => {
    const cluster = new Cluster();
    const parts = () => ({ sharedCache: cluster.sharedCache() });
    const [a, b] = [await cluster.member("a", parts()), await cluster.member("b", parts())];
    await cluster.clock.advance(5_000);
    await cluster.run(a.set("k:1", 1));
    await cluster.run(b.get("k:1"));
    await cluster.settle();
    expect(cluster.shared.slots.get("k:1")?.bytes).toBeDefined();
    await cluster.run(a.set("k:1", 2));
    expect(cluster.shared.slots.get("k:1")?.bytes).toBeUndefined();
    await cluster.settle();
    await expect(cluster.run(b.get("k:1"))).resolves.toBe(2);
  });

  it("resolves the value as stored, merged with what a cold node does not know yet", async () => {
    const cluster = new Cluster();
    const [a, b] = [await cluster.member("a"), await cluster.member("b")];
    await expect(cluster.run(a.set("n:1", 2))).resolves.toBe(2);
    await expect(cluster.run(b.set("n:1", 3))).resolves.toBe(5);
    expect(b.peek("n:1")).toBe(5);
    expect(cluster.stored("n:1")).toBe(5);
  });

  it("counts every one of many custom merges that nodes make at once", async () => {
    const cluster = new Cluster();
    const nodes = [await cluster.member("a"), await cluster.member("b"), await cluster.member("c")];
    const writes = nodes.flatMap((node) => Array.from({ length: 20 }, () => node.set("n:1", 1)));
    const results = await cluster.run(Promise.all(writes));
    expect(cluster.stored("n:1")).toBe(60);
    expect(new Set(results).size).toBe(60);
    await cluster.settle();
    for (const node of nodes) await expect(cluster.run(node.get("n:1"))).resolves.toBe(60);
  });

  it("that the store refuses changes nothing: not here, not in the shared tier, not elsewhere", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const bus = watched(cluster.bus());
    const parts = () => ({ sharedCache: cluster.sharedCache() });
    const a = await cluster.member("a", { ...parts(), store: store.port, bus: bus.port });
    const b = await cluster.member("b", parts());
    await cluster.clock.advance(5_000);
    await cluster.run(a.set("k:1", 1));
    await cluster.settle();
    await cluster.run(b.get("k:1"));
    await cluster.settle();
    const slot = cluster.shared.slots.get("k:1");
    expect(slot?.bytes).toBeDefined();
    store.faults.before = async (method) => {
      if (method === "commit") throw new WarpError("UNAVAILABLE", "the store is read-only");
    };
    bus.calls.length = 0;
    expect((await cluster.failure(a.set("k:1", 2))).code).toBe("UNAVAILABLE");
    expect((await cluster.failure(a.delete("k:1"))).code).toBe("UNAVAILABLE");
    await cluster.settle();
    expect(a.peek("k:1")).toBe(1);
    expect(b.peek("k:1")).toBe(1);
    expect(cluster.shared.slots.get("k:1")).toBe(slot);
    expect(cluster.stored("k:1")).toBe(1);
    expect(bus.calls).toEqual([]);
  });

  it("gives every write a new revision, also for a value that was there before", async () => {
    const cluster = new Cluster();
    const a = await cluster.member("a");
    const revisions = [];
    for (const value of ["x", "y", "x"]) {
      await cluster.run(a.set("k:1", value));
      revisions.push(cluster.data.current("k:1")?.revision);
    }
    await cluster.run(a.delete("k:1"));
    await cluster.run(a.set("k:1", "x"));
    revisions.push(cluster.data.current("k:1")?.revision);
    expect(new Set(revisions).size).toBe(4);
    expect(cluster.data.current("k:1")?.operations).toHaveLength(5);
  });

  it("has a timestamp above the last one, whatever the clocks of writer and store say", async () => {
    const cluster = new Cluster();
    const [a, b] = [await cluster.member("a"), await cluster.member("b")];
    const micros: number[] = [];
    for (const [node, jumpMs] of [
      [a, 0],
      [b, -3_600_000],
      [a, 0],
      [b, 7_200_000],
      [a, -7_200_000],
    ] as const) {
      cluster.clock.jumpWall(jumpMs);
      await cluster.run(node.set("k:1", micros.length));
      micros.push(cluster.data.current("k:1")?.timestamp.micros ?? 0);
    }
    expect(micros).toEqual([...new Set(micros)].sort((x, y) => x - y));
  });

  it("that an invalidation overtakes keeps nothing in this node's cache", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const a = await cluster.member("a", { store: store.port });
    const { opened, open } = gate();
    store.faults.after = (method) => (method === "commit" ? opened : undefined);
    const write = a.set("k:1", 1);
    await cluster.settle();
    await a.invalidate("k:1");
    open();
    await expect(cluster.run(write)).resolves.toBe(1);
    expect(a.peek("k:1")).toBeUndefined();
  });

  it("whose reply another node's later write overtakes leaves no old copy", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const [a, b] = [await cluster.member("a", { store: store.port }), await cluster.member("b")];
    const { opened, open } = gate();
    store.faults.after = (method) => (method === "commit" ? opened : undefined);
    const write = a.set("k:1", "first");
    await cluster.settle();
    await cluster.run(b.set("k:1", "second"));
    await cluster.settle();
    open();
    await cluster.run(write);
    expect(a.peek("k:1")).toBeUndefined();
    await expect(cluster.run(a.get("k:1"))).resolves.toBe("second");
  });

  it("guesses from a copy that is out of date, and still merges with what the store holds", async () => {
    const cluster = new Cluster();
    const [a, b] = [await cluster.member("a"), await cluster.member("b")];
    await cluster.run(a.set("n:1", 1));
    cluster.network.faults.drop = () => true;
    await cluster.run(b.set("n:1", 10));
    expect(a.peek("n:1")).toBe(1);
    await expect(cluster.run(a.set("n:1", 100))).resolves.toBe(111);
  });

  it("on a node without a local cache goes to the store and tells the others", async () => {
    const cluster = new Cluster();
    const [a, b] = [await cluster.member("a", { localCache: false }), await cluster.member("b")];
    await cluster.run(b.set("n:1", 1));
    await expect(cluster.run(a.set("n:1", 1))).resolves.toBe(2);
    await cluster.settle();
    expect(b.peek("n:1")).toBeUndefined();
  });

  it("keeps the caller's object apart where the local cache clones", async () => {
    const cluster = new Cluster();
    const a = await cluster.member("a", { localCache: new MemoryCache({ clock: cluster.clock, isolate: "clone" }) });
    const value = { x: 1 };
    const result = (await cluster.run(a.set("k:1", value))) as { x: number };
    value.x = 2;
    result.x = 3;
    await expect(cluster.run(a.get("k:1"))).resolves.toEqual({ x: 1 });
  });
});

describe("a merge engine", () => {
  it("of a key that this node holds nothing of reads first: no commit is refused, also where the key exists", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const a = await cluster.member("a", { store: store.port });
    const b = await cluster.member("b");
    await cluster.run(b.set("n:there", 10));
    await cluster.settle();
    store.calls.length = 0;
    await expect(cluster.run(a.set("n:there", 1))).resolves.toBe(11);
    await expect(cluster.run(a.set("n:new", 1))).resolves.toBe(1);
    expect(store.calls).toEqual(["get", "commit", "get", "commit"]);
    store.calls.length = 0;
    await cluster.run(a.set("n:there", 1));
    await cluster.run(a.set("k:1", "not merged"));
    await cluster.run(a.setMany([["n:2", 1] as const, ["n:3", 1] as const]));
    expect(store.calls).toEqual(["commit", "commit", "commit"]);
  });

  it("that throws fails the write with INVALID_VALUE, and nothing has changed", async () => {
    const cluster = new Cluster();
    const a = await cluster.member("a");
    const cause = new Error("no");
    a.register("bad:*", {
      ttl: "1h",
      merge: {
        portVersion: 1,
        name: "picky",
        readsCurrent: true,
        merge: (current, incoming) => {
          if (current !== undefined) throw cause;
          return incoming;
        },
      },
    });
    await cluster.run(a.set("bad:1", 1));
    const error = await cluster.failure(a.set("bad:1", 2));
    expect(error).toMatchObject({ code: "INVALID_VALUE", port: "merge", key: "bad:1", cause });
    expect(cluster.stored("bad:1")).toBe(1);
    expect(a.peek("bad:1")).toBe(1);
  });

  it("that makes a value which cannot be stored fails the write with INVALID_VALUE", async () => {
    const cluster = new Cluster();
    const a = await cluster.member("a");
    for (const [name, made] of [
      ["undefined", undefined],
      ["nan", Number.NaN],
    ] as const) {
      a.register(`${name}:*`, { ttl: "1h", merge: { portVersion: 1, name, readsCurrent: false, merge: () => made } });
      expect((await cluster.failure(a.set(`${name}:1`, 1))).code).toBe("INVALID_VALUE");
      expect(cluster.data.current(`${name}:1`)).toBeUndefined();
    }
  });

  it("of the constructor holds where a registration names none", async () => {
    const cluster = new Cluster();
    const a = cluster.node("a", { store: cluster.store(), merge: sum as never });
    a.register("x:*", { ttl: "1h" });
    await cluster.run(a.set("x:1", 1));
    await expect(cluster.run(a.set("x:1", 1))).resolves.toBe(2);
  });
});

describe("a value that would not come back as it is", () => {
  class Point {
    x = 1;
  }
  const cycle: { self?: unknown } = {};
  cycle.self = cycle;
  const bad: readonly (readonly [string, unknown, string])[] = [
    ["undefined", undefined, "value is undefined"],
    ["a Map", { a: { b: new Map() } }, "value.a.b is an instance of Map"],
    ["a Set", [new Set()], "value[0] is an instance of Set"],
    ["a bigint", { big: 1n }, "value.big is a bigint"],
    ["NaN", { list: [0, Number.NaN] }, "value.list[1] is NaN"],
    ["Infinity", Number.POSITIVE_INFINITY, "value is Infinity"],
    ["-0", [-0], "value[0] is -0"],
    ["a class instance", { point: new Point() }, "value.point is an instance of Point"],
    ["a Date", { at: new Date(0) }, "value.at is an instance of Date"],
    ["a function", { run: () => 1 }, "value.run is a function"],
    ["a symbol", { is: Symbol("x") }, "value.is is a symbol"],
    ["undefined in a field", { "odd key": undefined }, 'value["odd key"] is undefined'],
    ["a hole", Object.assign(new Array(3), { 0: 1, 2: 3 }), "value[1] is a hole"],
    ["a cycle", cycle, "reference back"],
    ["a Buffer", { bytes: Buffer.from("x") }, "value.bytes is an instance of Buffer"],
  ];

  it.each(bad)("is refused before anything changed, naming the place: %s", async (_, value, place) => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const a = await cluster.member("a", { store: store.port });
    a.register("local:*", { mode: "strong-local", ttl: "1h" });
    await cluster.run(a.set("k:1", "before"));
    await cluster.run(a.set("local:1", "before"));
    await cluster.run(a.flush());
    store.calls.length = 0;
    for (const attempt of [
      () => a.set("k:1", value),
      () => a.set("local:1", value),
      () => a.getOrSet("k:2", () => (value === undefined ? Number.NaN : value)),
      async () => a.txn().set("k:1", value).commit(),
      async () => a.txn().compareAndSwap("k:1", "before", value === undefined ? Number.NaN : value),
    ]) {
      const error = await cluster.failure(attempt());
      expect(error.code).toBe("INVALID_VALUE");
      if (value !== undefined) expect(error.message).toContain(place);
    }
    expect(store.calls.filter((method) => method === "commit")).toEqual([]);
    expect(a.peek("k:1")).toBe("before");
    expect(a.peek("local:1")).toBe("before");
    expect(a.status().dirty).toBe(0);
  });

  it("is refused as one of many, and the others are written", async () => {
    const cluster = new Cluster();
    const a = await cluster.member("a");
    const error = await cluster.failure(a.setMany([["k:1", 1] as const, ["k:2", 2n] as const]));
    expect(error.code).toBe("INVALID_VALUE");
    expect([...(error.errors ?? [])].map(([key, one]) => [key, one.code])).toEqual([["k:2", "INVALID_VALUE"]]);
    expect(cluster.stored("k:1")).toBe(1);
  });

  it("is refused where only a shared tier is involved too", async () => {
    const cluster = new Cluster();
    const a = cluster.node("a", { sharedCache: cluster.sharedCache() });
    a.register("k:*", { ttl: "1h" });
    const error = await cluster.failure(a.set("k:1", new Map()));
    expect(error.code).toBe("INVALID_VALUE");
    expect(a.peek("k:1")).toBeUndefined();
  });

  it("is kept as it is where there is a local cache alone, but undefined is no value", async () => {
    const cluster = new Cluster();
    const a = cluster.node("a");
    a.register("k:*", { ttl: "1h" });
    const value = new Map([[1, 2n]]);
    await cluster.run(a.set("k:1", value));
    expect(a.peek("k:1")).toBe(value);
    expect((await cluster.failure(a.set("k:1", undefined))).code).toBe("INVALID_VALUE");
    expect(a.peek("k:1")).toBe(value);
  });
});

describe("a delete", () => {
  it("says whether there was a value, whatever the caches know", async () => {
    const cluster = new Cluster();
    const [a, b] = [await cluster.member("a"), await cluster.member("b")];
    await expect(cluster.run(a.delete("k:1"))).resolves.toBe(false);
    await cluster.run(a.set("k:1", 1));
    await expect(cluster.run(b.delete("k:1"))).resolves.toBe(true);
    await expect(cluster.run(a.delete("k:1"))).resolves.toBe(false);
  });

  it("leaves a tombstone, and drops every copy", async () => {
    const cluster = new Cluster();
    const [a, b] = [await cluster.member("a"), await cluster.member("b")];
    await cluster.run(a.set("k:1", 1));
    await cluster.run(b.get("k:1"));
    await cluster.run(a.delete("k:1"));
    await cluster.settle();
    const record = cluster.data.current("k:1");
    expect(record).toBeDefined();
    expect(record?.value).toBeUndefined();
    for (const node of [a, b]) {
      expect(node.peek("k:1")).toBeUndefined();
      await expect(cluster.run(node.find("k:1"))).resolves.toBeUndefined();
      expect((await cluster.failure(node.get("k:1"))).code).toBe("NOT_FOUND");
    }
  });

  it("of a key that never was keeps a creation that is under way from coming after it", async () => {
    const cluster = new Cluster();
    const [a, b] = [await cluster.member("a"), await cluster.member("b")];
    const { opened, open } = gate();
    const creation = a.getOrSet("k:1", async () => {
      await opened;
      return "late";
    });
    await cluster.settle();
    await cluster.run(b.delete("k:1"));
    open();
    await expect(cluster.run(creation)).resolves.toBeUndefined();
    expect(cluster.stored("k:1")).toBeUndefined();
    expect(a.peek("k:1")).toBeUndefined();
  });

  it("is followed by a set that stands on the tombstone", async () => {
    const cluster = new Cluster();
    const [a, b] = [await cluster.member("a"), await cluster.member("b")];
    await cluster.run(a.set("n:1", 5));
    await cluster.run(a.delete("n:1"));
    await expect(cluster.run(b.set("n:1", 1))).resolves.toBe(1);
  });
});

describe("an invalidation", () => {
  it("drops every copy of every tier and leaves the store alone", async () => {
    const cluster = new Cluster();
    const parts = () => ({ sharedCache: cluster.sharedCache() });
    const [a, b] = [await cluster.member("a", parts()), await cluster.member("b", parts())];
    await cluster.clock.advance(5_000);
    await cluster.run(a.set("k:1", 1));
    await cluster.run(b.get("k:1"));
    await cluster.settle();
    const before = cluster.data.current("k:1")?.revision;
    await cluster.run(a.invalidate("k:1"));
    await cluster.settle();
    expect(a.peek("k:1")).toBeUndefined();
    expect(b.peek("k:1")).toBeUndefined();
    expect(cluster.shared.slots.get("k:1")?.bytes).toBeUndefined();
    expect(cluster.data.current("k:1")?.revision).toBe(before);
    await expect(cluster.run(a.get("k:1"))).resolves.toBe(1);
  });

  it("takes effect though the store does not answer", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const a = await cluster.member("a", { store: store.port });
    await cluster.run(a.set("k:1", 1));
    store.faults.before = () => new Promise(() => undefined);
    await cluster.run(a.invalidate("k:1"), 10);
    expect(a.peek("k:1")).toBeUndefined();
  });
});

describe("clear", () => {
  it("drops everything from every tier of every node, and the store keeps it", async () => {
    const cluster = new Cluster();
    const parts = () => ({ sharedCache: cluster.sharedCache() });
    const [a, b] = [await cluster.member("a", parts()), await cluster.member("b", parts())];
    await cluster.clock.advance(5_000);
    for (const key of ["k:1", "k:2"]) {
      await cluster.run(a.set(key, key));
      await cluster.run(b.get(key));
    }
    await cluster.settle();
    // Behind everybody's back: only a read that goes to the store finds it.
    cluster.truth.changeOutside("k:1", new TextEncoder().encode('\u0001"psql"'));
    await cluster.run(a.clear());
    await cluster.clock.advance(5_000);
    for (const node of [a, b]) {
      expect(node.peek("k:1")).toBeUndefined();
      await expect(cluster.run(node.get("k:1"))).resolves.toBe("psql");
      await expect(cluster.run(node.get("k:2"))).resolves.toBe("k:2");
    }
  });
});

describe("writes of one key on one node", () => {
  it("take turns, so that they do not lose races against each other", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const a = await cluster.member("a", { store: store.port });
    await cluster.run(a.set("n:1", 0));
    store.calls.length = 0;
    const results = await cluster.run(Promise.all(Array.from({ length: 10 }, () => a.set("n:1", 1))));
    expect(results).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(store.calls.filter((method) => method === "commit")).toHaveLength(10);
  });

  it("do not wait for writes of other keys", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const a = await cluster.member("a", { store: store.port });
    store.faults.before = (_, [, mutations]) =>
      (mutations as { key: string }[] | undefined)?.[0]?.key === "k:1" ? new Promise(() => undefined) : undefined;
    const stuck = cluster.failure(a.set("k:1", 1));
    await cluster.run(a.set("k:2", 2), 10);
    await stuck;
  });

  it("pass a lost cause: its turn ends with its caller's patience", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const a = await cluster.member("a", { store: store.port });
    let first = true;
    store.faults.before = (method) => {
      if (method !== "commit" || !first) return undefined;
      first = false;
      return new Promise(() => undefined);
    };
    const lost = cluster.failure(a.set("k:1", "lost", { hardTimeout: 100 }));
    const next = a.set("k:1", "next");
    expect((await lost).code).toBe("OUTCOME_UNKNOWN");
    await expect(cluster.run(next, 10)).resolves.toBe("next");
    expect(cluster.stored("k:1")).toBe("next");
  });

  it("of a caller who left before its turn came change nothing", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const a = await cluster.member("a", { store: store.port });
    const { opened, open } = gate();
    store.faults.before = (method) => (method === "commit" ? opened : undefined);
    const first = a.set("n:1", 1);
    const waiting = cluster.failure(a.set("n:1", 10, { hardTimeout: 100 }));
    const last = a.set("n:1", 100);
    const error = await waiting;
    expect(error.code).toBe("DEADLINE_EXCEEDED");
    open();
    await cluster.run(first);
    await expect(cluster.run(last)).resolves.toBe(101);
    expect(cluster.stored("n:1")).toBe(101);
  });
});
