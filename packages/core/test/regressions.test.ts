import { describe, expect, it } from "@jest/globals";
import { type LocalCache, MemoryBus, MemoryCache, MemoryNetwork, WarpError } from "../src/index.ts";
import { FillGuard } from "../src/mechanisms/fill-guard.ts";
import { Cluster, never, watched } from "./support/cluster.ts";

/** A local cache of somebody else's make. */
const foreign = (cluster: Cluster): LocalCache => {
  const inner = new MemoryCache({ clock: cluster.clock });
  return {
    portVersion: 1,
    isolate: inner.isolate,
    stats: inner.stats,
    get: (key) => inner.get(key),
    set: (key, entry) => inner.set(key, entry),
    delete: (key) => inner.delete(key),
    entries: () => inner.entries(),
    clear: () => inner.clear(),
  };
};

const owner = { generation: 0, hits: 0, graceMs: 0, eagerShare: 0, ttlMs: 1_000 };

describe("a write whose local part fails", () => {
  it("is announced all the same: no other node keeps the old value", async () => {
    const cluster = new Cluster();
    let weight = 1;
    const localCache = new MemoryCache({ clock: cluster.clock, maxBytes: 1_000, sizeOf: () => weight });
    const [a, b] = [await cluster.member("a", { localCache }), await cluster.member("b")];
    await cluster.run(a.set("k:1", "old"));
    await cluster.settle();
    expect(await cluster.run(b.get("k:1"))).toBe("old");
    weight = Number.NaN;
    await cluster.failure(a.set("k:1", "new"));
    await cluster.settle();
    expect(cluster.stored("k:1")).toBe("new");
    expect(await cluster.run(b.get("k:1"))).toBe("new");
  });
});

describe("a frame that a failing local cache cannot follow", () => {
  it.each(["miss", "reject"] as const)(
    'under "%s" nothing escapes, and nothing old is served',
    async (onCacheError) => {
      const cluster = new Cluster();
      const local = watched(foreign(cluster));
      const a = await cluster.member("a");
      const b = await cluster.member("b", { localCache: local.port, onCacheError });
      const keys = ["k:1", "k:2", "k:3"];
      await cluster.run(a.setMany(keys.map((key) => [key, "old"] as const)));
      await cluster.settle();
      expect([...(await cluster.run(b.getMany(keys))).values()]).toEqual(["old", "old", "old"]);
      local.faults.before = (method, [key]) => {
        if (method === "delete" && key === "k:1") throw new Error("cannot delete");
        return undefined;
      };
      await cluster.run(a.setMany(keys.map((key) => [key, "new"] as const)));
      await cluster.settle();
      local.faults.before = undefined;
      expect([...(await cluster.run(b.getMany(keys))).values()]).toEqual(["new", "new", "new"]);
    },
  );
});

describe("a local cache that refuses a value", () => {
  const refusing = (cluster: Cluster) => {
    const local = watched(foreign(cluster));
    const refuse = (refuses: boolean): void => {
      local.faults.before = (method) => {
        if (refuses && method === "set") throw new Error("no room");
        return undefined;
      };
    };
    return { local: local.port, refuse };
  };

  it("does not go on serving the value before it", async () => {
    const cluster = new Cluster();
    const { local, refuse } = refusing(cluster);
    const warp = cluster.node("a", { localCache: local });
    warp.register("k", { ttl: "1h" });
    await cluster.run(warp.set("k", 1));
    refuse(true);
    await cluster.run(warp.set("k", 2));
    expect(await cluster.run(warp.find("k"))).toBeUndefined();
  });

  it("does not hide what waits for the store", async () => {
    const cluster = new Cluster();
    const { local, refuse } = refusing(cluster);
    const warp = cluster.node("a", { localCache: local, store: cluster.store() });
    warp.register("k", { ttl: "1h", mode: "strong-local" });
    await cluster.run(warp.set("k", 1));
    await cluster.run(warp.flush());
    refuse(true);
    await cluster.run(warp.set("k", 2));
    expect(await cluster.run(warp.find("k"))).toBe(2);
  });

  it("a refused strong-local write leaves nothing that is sent later", async () => {
    const cluster = new Cluster();
    let weight = 1;
    const localCache = new MemoryCache({ clock: cluster.clock, maxBytes: 1_000, sizeOf: () => weight });
    const warp = cluster.node("a", { localCache, store: cluster.store() });
    warp.register("k", { ttl: "1h", mode: "strong-local" });
    weight = Number.NaN;
    expect(await cluster.failure(warp.set("k", 1))).toMatchObject({ code: "INVALID_VALUE" });
    await cluster.run(warp.flush());
    expect(cluster.stored("k")).toBeUndefined();
  });

  it("its refusal is a rejection, never thrown at the caller", async () => {
    const cluster = new Cluster();
    const localCache = new MemoryCache({ clock: cluster.clock, maxBytes: 1_000, sizeOf: () => Number.NaN });
    const warp = cluster.node("a", { localCache });
    warp.register("k", { ttl: "1h" });
    expect(await cluster.failure(warp.set("k", 1))).toMatchObject({ code: "INVALID_VALUE", key: "k" });
  });

  it("a transaction without a store changes all or nothing where a value has no clone", async () => {
    const cluster = new Cluster();
    const warp = cluster.node("a", { localCache: new MemoryCache({ clock: cluster.clock, isolate: "clone" }) });
    warp.register("*", { ttl: "1h" });
    const transaction = warp
      .txn()
      .set("a", 1)
      .set("b", { run: () => 1 });
    expect(await cluster.failure(transaction.commit())).toMatchObject({ code: "INVALID_VALUE" });
    expect(await cluster.run(warp.find("a"))).toBeUndefined();
  });

  it("a value that is not to be kept does not leave the one before it", async () => {
    const cluster = new Cluster();
    let ttl = 60_000;
    const warp = cluster.node("a", { store: cluster.store() });
    warp.registerDynamicTtl("k", { strategy: { record: () => undefined, ttl: () => ttl } });
    const other = cluster.node("b", { store: cluster.store() });
    other.register("k", { ttl: "1h" });
    await cluster.run(warp.set("k", "old"));
    await cluster.run(other.set("k", "new"));
    ttl = 0;
    expect(await cluster.run(warp.get("k", { refresh: true }))).toBe("new");
    expect(await cluster.run(warp.get("k"))).toBe("new");
  });
});

describe("a fill token", () => {
  it("is worth nothing once it is released: what came after it voided nothing of it", () => {
    const fills = new FillGuard();
    const token = fills.take("k", owner);
    fills.release(token);
    fills.void("k");
    expect(fills.isValid(token)).toBe(false);
    expect(fills.claim(token)).toBe(false);
  });
});

describe("the end of a node", () => {
  it("does not wait longer than it may for a bus that does not end its subscription", async () => {
    const cluster = new Cluster();
    const inner = cluster.bus();
    const bus = {
      portVersion: 1 as const,
      maxFrameBytes: inner.maxFrameBytes,
      publish: (...parameters: Parameters<MemoryBus["publish"]>) => inner.publish(...parameters),
      subscribe: async (...parameters: Parameters<MemoryBus["subscribe"]>) => {
        await inner.subscribe(...parameters);
        return () => never;
      },
    };
    const warp = await cluster.member("a", { bus });
    expect(await cluster.failure(warp.close({ timeout: "1s" }), 5_000)).toMatchObject({ code: "DEADLINE_EXCEEDED" });
  });

  it("leaves no subscription behind that came after its deadline", async () => {
    const cluster = new Cluster();
    const inner = cluster.bus();
    let live = 0;
    let late = true;
    const bus = {
      portVersion: 1 as const,
      maxFrameBytes: inner.maxFrameBytes,
      publish: (...parameters: Parameters<MemoryBus["publish"]>) => inner.publish(...parameters),
      subscribe: async (...parameters: Parameters<MemoryBus["subscribe"]>) => {
        if (late) await new Promise<void>((resolve) => cluster.clock.schedule(3_000, resolve));
        late = false;
        const end = await inner.subscribe(...parameters);
        live++;
        return async () => {
          live--;
          await end();
        };
      },
    };
    const warp = cluster.node("a", { bus });
    await cluster.run(warp.ready());
    await cluster.clock.advance(5_000);
    expect(live).toBe(1);
    await cluster.run(warp.close());
    expect(live).toBe(0);
  });
});

describe("a bus whose frames are too small for a key", () => {
  it("is refused by the constructor", () => {
    const bus = new MemoryBus(new MemoryNetwork({ maxFrameBytes: 1_024 }));
    expect(() => new Cluster().node("a", { bus })).toThrow(/^bus.maxFrameBytes must be at least \d+/);
  });
});

describe("a node without a shared tier among nodes that have one", () => {
  it("has them drop there what it changed", async () => {
    const cluster = new Cluster();
    const a = await cluster.member("a");
    const b = await cluster.member("b", { sharedCache: cluster.sharedCache() });
    await cluster.clock.advance(5_000);
    await cluster.run(a.set("k:1", "old"));
    await cluster.settle();
    expect(await cluster.run(b.get("k:1"))).toBe("old");
    await cluster.settle();
    await cluster.run(a.set("k:1", "new"));
    await cluster.settle();
    expect(await cluster.run(b.get("k:1"))).toBe("new");
  });
});

describe("a registration over keys that wait for the store", () => {
  it("keeps the order of writes", async () => {
    const cluster = new Cluster();
    const warp = cluster.node("a", { store: cluster.store() });
    warp.register("*", { ttl: "1h", mode: "strong-local" });
    await cluster.run(warp.set("k", "first"));
    warp.register("k", { ttl: "1h" });
    await cluster.run(warp.set("k", "second"));
    await cluster.run(warp.flush());
    expect(cluster.stored("k")).toBe("second");
    expect(await cluster.run(warp.get("k"))).toBe("second");
  });
});

describe("a value that the store has let expire", () => {
  const sum = {
    portVersion: 1 as const,
    name: "sum",
    readsCurrent: true,
    merge: (current = 0, more: number) => current + more,
  };

  it.each(["eventual-distributed", "strong-local"] as const)("is not merged with, in mode %s", async (mode) => {
    const cluster = new Cluster();
    const warp = cluster.node("a", { store: cluster.store() });
    warp.register<string>("n", { ttl: "1s", storeTtl: "1s", merge: sum as never, mode });
    await cluster.run(warp.set("n", 5));
    await cluster.run(warp.flush());
    await cluster.clock.advance(1_000);
    await cluster.run(warp.set("n", 1));
    await cluster.run(warp.flush());
    expect(cluster.stored("n")).toBe(1);
  });

  it("was not there to be deleted", async () => {
    const cluster = new Cluster();
    const warp = cluster.node("a", { store: cluster.store() });
    warp.register("n", { ttl: "1s", storeTtl: "1s" });
    await cluster.run(warp.set("n", 5));
    await cluster.clock.advance(1_000);
    expect(await cluster.run(warp.delete("n"))).toBe(false);
  });
});

describe("an error from a call that was made together with others", () => {
  it("names the key", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const warp = cluster.node("a", { store: store.port });
    warp.register("*", { ttl: "1h" });
    store.faults.before = () => Promise.reject(new Error("lost"));
    const errors = await cluster.run(
      Promise.all(["x", "y"].map((key) => warp.get(key).catch((error: unknown) => error))),
    );
    expect(errors).toMatchObject([
      { code: "UNAVAILABLE", key: "x", port: "store", cause: { message: "lost" } },
      { code: "UNAVAILABLE", key: "y", port: "store", cause: { message: "lost" } },
    ]);
  });

  it("names the key also where it is told by publishErrors", async () => {
    const cluster = new Cluster();
    const shared = watched(cluster.sharedCache());
    const warp = cluster.node("a", { store: cluster.store(), sharedCache: shared.port });
    warp.register("*", { ttl: "1h" });
    await cluster.clock.advance(100);
    await cluster.run(warp.set("x", 1));
    await cluster.run(warp.invalidate("x"));
    shared.faults.before = (method) => (method === "put" ? Promise.reject(new Error("lost")) : undefined);
    await cluster.run(warp.get("x"));
    const errors = warp.publishErrors()[Symbol.asyncIterator]();
    expect((await cluster.run(errors.next())).value).toMatchObject({
      key: "x",
      operation: "put",
      cause: { message: "lost" },
    });
  });

  it("is not blamed on others: a value that the store refuses fails alone", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const warp = cluster.node("a", { store: store.port });
    warp.register("*", { ttl: "1h" });
    store.faults.before = (method, [, mutations]) =>
      method === "commit" && (mutations as { key: string }[]).some(({ key }) => key === "big")
        ? Promise.reject(new WarpError("INVALID_VALUE", "too large", { port: "store" }))
        : undefined;
    const work = warp.setMany([
      ["a", 1],
      ["big", 2],
      ["b", 3],
    ]);
    const error = await cluster.failure(work);
    expect([...(error.errors ?? new Map()).keys()]).toEqual(["big"]);
    expect([cluster.stored("a"), cluster.stored("b")]).toEqual([1, 3]);
  });
});

describe("a strategy of lives that fails", () => {
  it("fails neither a read nor a write, and is told of by publishErrors", async () => {
    const cluster = new Cluster();
    const fail = (): never => {
      throw new Error("no life");
    };
    const warp = cluster.node("a", { store: cluster.store() });
    warp.registerDynamicTtl("k", { strategy: { record: fail, ttl: fail } });
    expect(await cluster.run(warp.set("k", 1))).toBe(1);
    expect(await cluster.run(warp.get("k"))).toBe(1);
    const errors = warp.publishErrors()[Symbol.asyncIterator]();
    const first = await cluster.run(errors.next());
    expect(first.value).toMatchObject({ key: "k", operation: "ttl", cause: { message: "no life" } });
  });
});

describe("a loader that says that a stored key does not exist", () => {
  it("is not believed by later reads", async () => {
    const cluster = new Cluster();
    const warp = cluster.node("a", { store: cluster.store() });
    warp.register("k", { ttl: "1h", negativeTtl: "1h" });
    await cluster.run(warp.set("k", 1));
    expect(await cluster.run(warp.getOrSet("k", () => undefined, { refresh: true }))).toBeUndefined();
    expect(await cluster.run(warp.find("k"))).toBe(1);
  });
});

describe("a strong-local value that its caller changes afterwards", () => {
  it("reaches the store as it was", async () => {
    const cluster = new Cluster();
    const warp = cluster.node("a", { store: cluster.store() });
    warp.register("k", { ttl: "1h", mode: "strong-local" });
    const value: { n: unknown } = { n: 1 };
    await cluster.run(warp.set("k", value));
    value.n = 2n;
    await cluster.run(warp.flush());
    expect(cluster.stored("k")).toEqual({ n: 1 });
  });
});

describe("a node that came, wrote and left", () => {
  it("is noticed also by one who missed all of it", async () => {
    const cluster = new Cluster();
    const [b, c] = [await cluster.member("b"), await cluster.member("c")];
    await cluster.clock.advance(2_000);
    await cluster.run(b.set("k:1", "old"));
    await cluster.settle();
    expect(await cluster.run(c.get("k:1"))).toBe("old");
    cluster.network.faults = { drop: ({ from, to }) => from === "a" && to === "c" };
    const a = await cluster.member("a");
    await cluster.run(a.set("k:1", "new"));
    await cluster.run(a.close());
    cluster.network.faults = {};
    await cluster.clock.advance(2_000);
    expect(await cluster.run(c.get("k:1"))).toBe("new");
    const suspected = c.status().suspects;
    await cluster.clock.advance(20_000);
    expect(c.status().suspects).toBe(suspected);
  });
});

describe("calls that wait for work that goes on without them", () => {
  it("an invalidation or a look at the past that is not answered in time ends only the waiting", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const warp = await cluster.member("a", { store: store.port });
    warp.register("log:*", { ttl: "1h", mode: "strong-local" });
    await warp.set("log:1", 1);
    const aborted = AbortSignal.abort(new Error("no more"));
    await expect(warp.invalidate("log:1", { signal: aborted })).rejects.toMatchObject({ code: "ABORTED" });
    await expect(warp.getAt("log:1", 0, { signal: aborted })).rejects.toMatchObject({ code: "ABORTED" });
    await expect(warp.clear({ signal: aborted })).rejects.toMatchObject({ code: "ABORTED" });
    await expect(warp.inspect("log:1", { signal: aborted })).rejects.toMatchObject({ code: "ABORTED" });
    await expect(warp.txn().get("log:1", { signal: aborted })).rejects.toMatchObject({ code: "ABORTED" });
    await expect(warp.getAt("log:1", 0, { hardTimeout: "soon" as never })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    });
  });

  it("a transaction without a store is refused where the caches are in more than one place", async () => {
    const cluster = new Cluster();
    const shared = cluster.node("a", { sharedCache: cluster.sharedCache() });
    await expect(shared.transaction((tx) => tx.delete("k"))).rejects.toMatchObject({ code: "UNSUPPORTED" });
    const none = cluster.node("b", { sharedCache: cluster.sharedCache(), localCache: false });
    await expect(none.transaction((tx) => tx.get("k"))).rejects.toMatchObject({ code: "UNSUPPORTED" });
  });
});
