import { describe, expect, it } from "@jest/globals";
import { MemoryCache, type MergeEngine, type Warp, WarpError, type WarpOptions } from "../src/index.ts";
import { Cluster, gate, never, sum, watched } from "./support/cluster.ts";
import { failOnUnhandledRejections } from "./support/outcomes.ts";

failOnUnhandledRejections();

const combining = { ...sum, combine: (earlier: number, later: number) => earlier + later } as MergeEngine;

const registerAll = (warp: Warp): void => {
  warp.register("l:*", { mode: "strong-local", ttl: "1h" });
  warp.register("c:*", { mode: "strong-local", ttl: "1h", merge: sum as MergeEngine });
  warp.register("cc:*", { mode: "strong-local", ttl: "1h", merge: combining });
};

/** A node with strong-local keys, on a store whose commits can be held up. */
const setUp = async (options: WarpOptions = {}) => {
  const cluster = new Cluster();
  const store = watched(cluster.store());
  const bus = watched(cluster.bus());
  const a = await cluster.member("a", { store: store.port, bus: bus.port, ...options });
  registerAll(a);
  const commits = (): number => store.calls.filter((method) => method === "commit").length;
  return { cluster, store, bus, a, commits };
};

const refusing = async (method: string): Promise<void> => {
  if (method === "commit") throw new Error("connection refused");
};

const errorsOf = async (cluster: Cluster, warp: Warp): Promise<readonly WarpError[]> => {
  const errors: WarpError[] = [];
  const iterator = warp.publishErrors()[Symbol.asyncIterator]();
  for (;;) {
    const next = await Promise.race([iterator.next(), cluster.settle().then(() => undefined)]);
    if (next === undefined || next.done === true) return errors;
    errors.push(next.value);
  }
};

describe("a strong-local write", () => {
  it("touches no network: a store and a shared tier that never answer cost it nothing", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const shared = watched(cluster.sharedCache());
    const a = await cluster.member("a", { store: store.port, sharedCache: shared.port });
    registerAll(a);
    store.faults.before = () => never;
    shared.faults.before = () => never;
    for (let count = 0; count < 100; count++) {
      await cluster.run(a.set("l:1", count), 0);
      await cluster.run(a.set("c:1", 1), 0);
    }
    expect(a.peek("l:1")).toBe(99);
    await expect(cluster.run(a.get("l:1"), 0)).resolves.toBe(99);
  });

  it("touches no network where there is a shared tier and no store either", async () => {
    const cluster = new Cluster();
    const shared = watched(cluster.sharedCache());
    const a = cluster.node("a", { sharedCache: shared.port });
    registerAll(a);
    shared.faults.before = () => never;
    await expect(cluster.run(a.set("l:1", 1), 0)).resolves.toBe(1);
    await expect(cluster.run(a.set("c:1", 1), 0)).resolves.toBe(1);
    await expect(cluster.run(a.set("c:1", 1), 0)).resolves.toBe(2);
  });

  it("reaches the store behind the caller, and only then the shared tier and the other nodes", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const shared = watched(cluster.sharedCache());
    const bus = watched(cluster.bus());
    const a = await cluster.member("a", { store: store.port, sharedCache: shared.port, bus: bus.port });
    registerAll(a);
    await cluster.clock.advance(5_000);
    const { opened, open } = gate();
    store.faults.before = (method) => (method === "commit" ? opened : undefined);
    shared.calls.length = 0;
    bus.calls.length = 0;
    await cluster.run(a.set("l:1", "x"));
    await cluster.settle();
    expect(a.status().dirty).toBe(1);
    expect(shared.calls).toEqual([]);
    expect(bus.calls).toEqual([]);
    open();
    await cluster.settle();
    expect(cluster.stored("l:1")).toBe("x");
    expect(shared.calls).toEqual(["drop"]);
    expect(bus.calls).toEqual(["publish"]);
    expect(a.status().dirty).toBe(0);
    expect(a.peek("l:1")).toBe("x");
    expect((await a.inspect("l:1")).dirty).toBe(false);
  });

  it("is coalesced with those that wait: the last value wins, in one commit", async () => {
    const { cluster, store, a, commits } = await setUp();
    const { opened, open } = gate();
    store.faults.before = (method) => (method === "commit" ? opened : undefined);
    for (let count = 1; count <= 50; count++) await cluster.run(a.set("l:1", count));
    await cluster.settle();
    for (let count = 51; count <= 100; count++) await cluster.run(a.set("l:1", count));
    open();
    await cluster.run(a.flush());
    expect(cluster.stored("l:1")).toBe(100);
    expect(commits()).toBe(2);
  });

  it("follows in order: the store never goes back along a key", async () => {
    const { cluster, store, a } = await setUp();
    const seen: unknown[] = [];
    store.faults.after = async (method) => {
      if (method !== "commit") return;
      seen.push(cluster.stored("l:1"));
      if (seen.length % 3 === 1) throw new Error("connection reset");
    };
    for (let count = 0; count < 20; count++) {
      await cluster.run(a.set("l:1", count));
      await cluster.clock.advance(7);
    }
    await cluster.run(a.flush());
    expect(seen).toEqual([...seen].sort((x, y) => Number(x) - Number(y)));
    expect(cluster.stored("l:1")).toBe(19);
  });

  it("is retried until the store takes it, and told of through publishErrors meanwhile", async () => {
    const { cluster, store, a } = await setUp();
    store.faults.before = async (method) => {
      if (method === "commit") throw new WarpError("UNAVAILABLE", "down", { port: "store" });
    };
    await cluster.run(a.set("l:1", "kept"));
    await cluster.clock.advance(30_000);
    expect(a.status().dirty).toBe(1);
    expect(a.peek("l:1")).toBe("kept");
    store.faults.before = undefined;
    await cluster.clock.advance(30_000);
    expect(cluster.stored("l:1")).toBe("kept");
    const errors = await errorsOf(cluster, a);
    expect(errors.length).toBeGreaterThan(1);
    expect(errors.every(({ code }) => code === "UNAVAILABLE")).toBe(true);
  });

  it("counts once though the store's replies are lost", async () => {
    const { cluster, store, a } = await setUp();
    let lost = 0;
    store.faults.after = async (method) => {
      if (method === "commit" && lost++ < 5) throw new Error("connection reset");
    };
    for (let count = 0; count < 10; count++) await cluster.run(a.set("c:1", 1));
    await cluster.run(a.flush());
    expect(cluster.stored("c:1")).toBe(10);
  });

  it("is isolated from its caller where the local cache clones", async () => {
    const cluster = new Cluster();
    const localCache = new MemoryCache({ clock: cluster.clock, isolate: "clone" });
    const a = await cluster.member("a", { localCache });
    registerAll(a);
    const value = { x: 1 };
    const result = (await cluster.run(a.set("l:1", value))) as { x: number };
    value.x = 2;
    result.x = 3;
    const dirty = (await cluster.run(a.get("l:1"), 0)) as { x: number };
    expect(dirty).toEqual({ x: 1 });
    dirty.x = 4;
    await cluster.run(a.flush());
    expect(cluster.stored("l:1")).toEqual({ x: 1 });
    const clean = (await cluster.run(a.get("l:1"))) as { x: number };
    expect(clean).toEqual({ x: 1 });
    clean.x = 5;
    await expect(cluster.run(a.get("l:1"))).resolves.toEqual({ x: 1 });
  });

  it("of a frozen value stays as it was", async () => {
    const cluster = new Cluster();
    const a = await cluster.member("a", { localCache: new MemoryCache({ clock: cluster.clock, isolate: "freeze" }) });
    registerAll(a);
    const value = { x: 1 };
    await cluster.run(a.set("l:1", value));
    expect(Object.isFrozen(value)).toBe(true);
  });

  it("on a node without a local cache is UNSUPPORTED at registration, naming what is missing", async () => {
    const cluster = new Cluster();
    const a = cluster.node("a", { localCache: false, store: cluster.store() });
    expect(() => registerAll(a)).toThrow(/local cache/);
  });
});

describe("a dirty entry", () => {
  it("neither expires nor is evicted", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const localCache = new MemoryCache({ clock: cluster.clock, maxEntries: 4 });
    const a = await cluster.member("a", { store: store.port, localCache });
    a.register("l:*", { mode: "strong-local", ttl: 100 });
    store.faults.before = refusing;
    for (let index = 0; index < 8; index++) await cluster.run(a.set(`l:${index}`, index));
    await cluster.clock.advance(60_000);
    for (let index = 0; index < 8; index++) expect(a.peek(`l:${index}`)).toBe(index);
    store.faults.before = undefined;
    await cluster.run(a.flush({ timeout: "1m" }));
    await cluster.clock.advance(200);
    expect(a.peek("l:7")).toBeUndefined();
    expect(cluster.stored("l:7")).toBe(7);
    localCache.close();
  });

  it("is not dropped by a frame: it is flushed, then dropped", async () => {
    const { cluster, store, a } = await setUp();
    const b = await cluster.member("b");
    registerAll(b);
    const { opened, open } = gate();
    store.faults.before = (method) => (method === "commit" ? opened : undefined);
    await cluster.run(a.set("c:1", 1));
    await cluster.run(b.set("c:1", 10));
    await cluster.run(b.flush());
    await cluster.settle();
    expect(a.status().dirty).toBe(1);
    open();
    await cluster.settle();
    expect(cluster.stored("c:1")).toBe(11);
    await cluster.run(a.flush());
    expect(a.peek("c:1")).toBeUndefined();
    await expect(cluster.run(a.get("c:1"))).resolves.toBe(11);
  });

  it("is dropped once when it is clean, however many frames told of it while the store was away", async () => {
    const local = watched(new MemoryCache());
    const { cluster, store, a } = await setUp({ localCache: local.port });
    const b = await cluster.member("b");
    registerAll(b);
    store.faults.before = refusing;
    await cluster.run(a.set("l:1", "mine"));
    for (let frame = 0; frame < 300; frame++) {
      await cluster.run(b.invalidate("l:1"));
      await cluster.settle();
    }
    expect(a.peek("l:1")).toBe("mine");
    local.calls.length = 0;
    store.faults.before = undefined;
    await cluster.clock.advance(20_000);
    expect(cluster.stored("l:1")).toBe("mine");
    expect(a.peek("l:1")).toBeUndefined();
    // What waited is done now: three hundred waits would look for the key three hundred times.
    expect(local.calls.length).toBeLessThan(50);
  });

  it("survives a DropAll of another node", async () => {
    const { cluster, store, a } = await setUp();
    const b = await cluster.member("b");
    store.faults.before = refusing;
    await cluster.run(a.set("l:1", "dirty"));
    await cluster.run(b.clear());
    await cluster.settle();
    expect(a.peek("l:1")).toBe("dirty");
    store.faults.before = undefined;
    await cluster.run(a.flush());
    expect(cluster.stored("l:1")).toBe("dirty");
  });

  it("is not lost when its own node clears: it is flushed first", async () => {
    const { cluster, a } = await setUp();
    await cluster.run(a.set("l:1", "dirty"));
    await cluster.run(a.clear());
    expect(cluster.stored("l:1")).toBe("dirty");
    expect(a.peek("l:1")).toBeUndefined();
    await expect(cluster.run(a.get("l:1"))).resolves.toBe("dirty");
  });

  it("is not replaced by a forced read that asked the store before the flush landed", async () => {
    const { cluster, store, a } = await setUp();
    await cluster.run(a.set("l:1", "old"));
    await cluster.run(a.flush());
    const answer = gate();
    store.faults.after = (method) => (method === "get" ? answer.opened : undefined);
    const read = a.get("l:1", { refresh: true });
    await cluster.settle();
    await cluster.run(a.set("l:1", "new"));
    await cluster.settle();
    answer.open();
    await cluster.run(read);
    expect(a.peek("l:1")).toBe("new");
    await cluster.run(a.flush());
    expect(a.peek("l:1")).toBe("new");
  });

  it("has an ordinary life once it is clean: the registration's own", async () => {
    const cluster = new Cluster();
    const a = await cluster.member("a");
    a.registerDynamicTtl("d:*", { mode: "strong-local", strategy: { record: () => undefined, ttl: () => 500 } });
    a.register("s:*", { mode: "strong-local", ttl: "1h", storeTtl: 300 });
    await cluster.run(a.set("d:1", 1));
    await cluster.run(a.set("s:1", 1));
    await cluster.run(a.flush());
    await cluster.clock.advance(299);
    expect((await a.inspect("s:1")).leftMs).toBeLessThanOrEqual(1);
    expect(a.peek("d:1")).toBe(1);
    await cluster.clock.advance(300);
    expect(a.peek("d:1")).toBeUndefined();
  });
});

describe("strong-local merges", () => {
  it("keep the incoming values and merge them with what the store holds, so that both nodes count", async () => {
    const { cluster, a } = await setUp();
    const b = await cluster.member("b");
    registerAll(b);
    for (let count = 0; count < 10; count++) {
      await cluster.run(a.set("c:1", 1));
      await cluster.run(b.set("c:1", 100));
      await cluster.run(a.set("cc:1", 1));
      await cluster.run(b.set("cc:1", 100));
    }
    await cluster.run(Promise.all([a.flush(), b.flush()]));
    expect(cluster.stored("c:1")).toBe(1_010);
    expect(cluster.stored("cc:1")).toBe(1_010);
  });

  it("show at once what this node knows, and ask the store before they serve a part of the whole", async () => {
    const { cluster, store, a } = await setUp();
    const b = await cluster.member("b");
    registerAll(b);
    await cluster.run(b.set("c:1", 100));
    await cluster.run(b.flush());
    const { opened, open } = gate();
    store.faults.before = (method) => (method === "commit" ? opened : undefined);
    await cluster.run(a.set("c:1", 1));
    expect(a.peek("c:1")).toBeUndefined();
    const read = a.get("c:1");
    await cluster.settle();
    open();
    await expect(cluster.run(read)).resolves.toBe(101);
    expect(a.peek("c:1")).toBe(101);
    await expect(cluster.run(a.set("c:1", 1))).resolves.toBe(102);
    expect(a.peek("c:1")).toBe(102);
  });

  it("keep what comes while a flush is under way for the next, on top of what the store then holds", async () => {
    const { cluster, store, a } = await setUp();
    const { opened, open } = gate();
    store.faults.before = (method) => (method === "commit" ? opened : undefined);
    await cluster.run(a.set("c:1", 1));
    await cluster.settle();
    await cluster.run(a.set("c:1", 10));
    await cluster.run(a.set("c:1", 100));
    open();
    await cluster.run(a.flush());
    expect(cluster.stored("c:1")).toBe(111);
    expect(a.peek("c:1")).toBe(111);
  });

  it("are kept one by one, or combined into one where the engine can", async () => {
    const { cluster, store, a } = await setUp();
    store.faults.before = refusing;
    for (let count = 0; count < 5; count++) await cluster.run(a.set("c:1", 1));
    expect(a.status().dirty).toBe(5);
    for (let count = 0; count < 5; count++) await cluster.run(a.set("cc:1", 1));
    expect(a.status().dirty).toBe(6);
    for (let count = 0; count < 5; count++) await cluster.run(a.set("l:1", 1));
    expect(a.status().dirty).toBe(7);
  });

  it("that cannot be combined refuse the write, and nothing has changed", async () => {
    const { cluster, store, a } = await setUp();
    const cause = new Error("incompatible");
    a.register("x:*", {
      mode: "strong-local",
      ttl: "1h",
      merge: {
        ...combining,
        combine: () => {
          throw cause;
        },
      },
    });
    store.faults.before = refusing;
    await cluster.run(a.set("x:1", 1));
    const error = await cluster.failure(a.set("x:1", 1));
    expect(error).toMatchObject({ code: "INVALID_VALUE", port: "merge", cause });
    store.faults.before = undefined;
    await cluster.run(a.flush());
    expect(cluster.stored("x:1")).toBe(1);
    expect(a.peek("x:1")).toBe(1);
  });
});

describe("maxDirty", () => {
  it("makes a write wait, and take its turn when the store has taken some", async () => {
    const { cluster, store, a } = await setUp({ maxDirty: 2 });
    const { opened, open } = gate();
    store.faults.before = (method) => (method === "commit" ? opened : undefined);
    await cluster.run(a.set("l:1", 1));
    await cluster.run(a.set("l:2", 2));
    let ended = false;
    const third = a.set("l:3", 3).finally(() => {
      ended = true;
    });
    await cluster.clock.advance(500);
    expect(ended).toBe(false);
    expect(a.peek("l:3")).toBeUndefined();
    open();
    await expect(cluster.run(third)).resolves.toBe(3);
    await cluster.run(a.flush());
    expect(cluster.stored("l:3")).toBe(3);
  });

  it("is never exceeded, however many wait for the same room", async () => {
    const { cluster, store, a } = await setUp({ maxDirty: 2 });
    let most = 0;
    store.faults.before = async (method) => {
      if (method !== "commit") return;
      most = Math.max(most, a.status().dirty);
      await new Promise<void>((resolve) => void cluster.clock.schedule(5, resolve));
    };
    const writes = Array.from({ length: 20 }, (_, index) => a.set(`l:${index}`, index));
    await cluster.run(Promise.all(writes));
    await cluster.run(a.flush());
    expect(most).toBe(2);
    expect(cluster.stored("l:19")).toBe(19);
  });

  it("ends in OVERLOADED after the call's deadline, and nothing has changed", async () => {
    const { cluster, store, a } = await setUp({ maxDirty: 1 });
    store.faults.before = refusing;
    await cluster.run(a.set("l:1", 1));
    const error = await cluster.failure(a.set("l:2", 2), 2_000);
    expect(error).toMatchObject({ code: "OVERLOADED", key: "l:2", operation: "set" });
    expect((await cluster.failure(a.set("l:2", 2, { hardTimeout: 50 }), 50)).code).toBe("OVERLOADED");
    const controller = new AbortController();
    const aborted = cluster.failure(a.set("l:2", 2, { signal: controller.signal }));
    await cluster.settle();
    controller.abort();
    expect((await aborted).code).toBe("ABORTED");
    expect(a.peek("l:2")).toBeUndefined();
    store.faults.before = undefined;
    await cluster.run(a.flush());
    expect(cluster.data.current("l:2")).toBeUndefined();
  });
});

describe("what must see the store's value flushes a strong-local key first", () => {
  const first: readonly (readonly [string, (warp: Warp) => Promise<unknown>, unknown])[] = [
    ["delete", (warp) => warp.delete("c:1"), undefined],
    ["invalidate", (warp) => warp.invalidate("c:1"), 3],
    ["getAt", (warp) => warp.getAt("c:1", Number.MAX_SAFE_INTEGER), 3],
    ["a transaction that reads", (warp) => warp.transaction((txn) => txn.get("c:1")), 3],
    ["a transaction that writes", (warp) => warp.transaction((txn) => void txn.set("c:1", 10)), 13],
    ["compareAndSwap", (warp) => warp.txn().compareAndSwap("c:1", 3, 4).commit(), 4],
    ["unregister", (warp) => warp.unregister("c:*"), 3],
    ["flush", (warp) => warp.flush(), 3],
    ["close", (warp) => warp.close(), 3],
  ];

  it.each(first)("%s", async (_, work, after) => {
    const { cluster, a } = await setUp();
    await cluster.run(a.set("c:1", 1));
    await cluster.run(a.set("c:1", 2));
    await cluster.run(work(a));
    expect(cluster.stored("c:1")).toEqual(after);
  });

  it.each(first)("%s does not wait for ever for a store that is down", async (_, work) => {
    const { cluster, store, a } = await setUp();
    store.faults.before = refusing;
    await cluster.run(a.set("c:1", 1));
    const error = await cluster.failure(work(a), 15_000);
    expect(["DEADLINE_EXCEEDED", "UNAVAILABLE", "OUTCOME_UNKNOWN"]).toContain(error.code);
  });
});

describe("a strong-local write that the store can never take", () => {
  const picky: MergeEngine = {
    ...sum,
    name: "picky",
    merge: (current, incoming) => {
      if ((current ?? 0) === 666) throw new Error("no more");
      return ((current as number | undefined) ?? 0) + (incoming as number);
    },
  };

  it("is given up and reported, and the next read asks the store", async () => {
    const { cluster, a } = await setUp();
    a.register("p:*", { mode: "strong-local", ttl: "1h", merge: picky });
    cluster.truth.changeOutside("p:1", new TextEncoder().encode("\u0001666"));
    await cluster.run(a.set("p:1", 1));
    await cluster.run(a.flush());
    expect(a.status().dirty).toBe(0);
    const [error] = await errorsOf(cluster, a);
    expect(error).toMatchObject({ code: "INVALID_VALUE", key: "p:1" });
    await expect(cluster.run(a.get("p:1"))).resolves.toBe(666);
  });

  it("does not take along what came after it", async () => {
    const { cluster, store, a } = await setUp();
    a.register("p:*", { mode: "strong-local", ttl: "1h", merge: picky });
    cluster.truth.changeOutside("p:1", new TextEncoder().encode("\u0001666"));
    const { opened, open } = gate();
    store.faults.before = (method) => (method === "commit" ? opened : undefined);
    await cluster.run(a.set("p:1", 1));
    await cluster.settle();
    await cluster.run(a.set("p:1", 10));
    let failed = false;
    store.faults.after = async (method) => {
      if (failed || method !== "commit") return;
      failed = true;
      // Once the first has failed, somebody puts it right.
      cluster.truth.changeOutside("p:1", new TextEncoder().encode("\u0001100"));
    };
    open();
    await cluster.run(a.flush());
    expect(cluster.stored("p:1")).toBe(110);
    await expect(cluster.run(a.get("p:1"))).resolves.toBe(110);
  });

  it("whose outcome is unknown is not merged a second time, but reported", async () => {
    const { cluster, store, a } = await setUp();
    const b = await cluster.member("b");
    registerAll(b);
    const { opened, open } = gate();
    let first = true;
    store.faults.after = async (method) => {
      if (method !== "commit" || !first) return;
      first = false;
      await opened;
      throw new Error("connection reset");
    };
    await cluster.run(a.set("c:1", 1_000));
    await cluster.settle();
    for (let count = 0; count < 16; count++) {
      await cluster.run(b.set("c:1", 1));
      await cluster.run(b.flush());
    }
    open();
    await cluster.run(a.flush());
    expect(cluster.stored("c:1")).toBe(1_016);
    expect((await errorsOf(cluster, a)).map(({ code }) => code)).toEqual(["OUTCOME_UNKNOWN"]);
    await expect(cluster.run(a.get("c:1"))).resolves.toBe(1_016);
  });
});

describe("a transaction and a strong-local write of one key at once", () => {
  it("leave no copy of the one that reached the store first", async () => {
    const { cluster, store, a } = await setUp();
    const reply = gate();
    const transaction = a.txn().set("l:1", "transaction");
    let first = true;
    store.faults.after = (method) => {
      if (method !== "commit" || !first) return undefined;
      first = false;
      return reply.opened;
    };
    await cluster.run(a.set("l:1", "behind"));
    await cluster.settle();
    // The flush has landed, its reply is on its way: the transaction waits for it, then comes on top.
    const commit = transaction.commit();
    await cluster.settle();
    reply.open();
    await cluster.run(commit);
    await cluster.run(a.flush());
    expect(cluster.stored("l:1")).toBe("transaction");
    await expect(cluster.run(a.get("l:1"))).resolves.toBe("transaction");
  });

  it("leave no copy of it either where the write came between flush and commit", async () => {
    const { cluster, store, a } = await setUp();
    const commits: { key: string; open: () => void }[] = [];
    store.faults.after = (method) => {
      if (method !== "commit") return undefined;
      const { opened, open } = gate();
      commits.push({ key: "", open });
      return opened;
    };
    const commit = a.txn().set("l:1", "transaction").commit();
    await cluster.run(a.set("l:1", "behind"));
    await cluster.settle();
    await cluster.clock.advance(300);
    // Both have been sent; whoever was first in the store, its reply comes last.
    for (const { open } of commits.splice(0).reverse()) open();
    await cluster.clock.advance(300);
    store.faults.after = undefined;
    for (const { open } of commits) open();
    await cluster.run(commit);
    await cluster.run(a.flush());
    await expect(cluster.run(a.get("l:1"))).resolves.toBe(cluster.stored("l:1"));
  });
});
