import { describe, expect, it } from "@jest/globals";
import { MemoryCache, type WarmupProgress } from "../src/index.ts";
import { Cluster, gate, watched } from "./support/cluster.ts";
import { failOnUnhandledRejections } from "./support/outcomes.ts";

failOnUnhandledRejections();

const put = (cluster: Cluster, key: string, value: unknown): void =>
  cluster.truth.changeOutside(key, new TextEncoder().encode(`\u0001${JSON.stringify(value)}`));

const setUp = (keys: readonly string[], maxEntries = 1_000) => {
  const cluster = new Cluster();
  for (const key of keys) put(cluster, key, key);
  const store = watched(cluster.store());
  const localCache = new MemoryCache({ clock: cluster.clock, maxEntries });
  const a = cluster.node("a", { store: store.port, localCache });
  return { cluster, store, a, localCache };
};

const numbered = (prefix: string, count: number) => Array.from({ length: count }, (_, index) => `${prefix}${index}`);

describe("warmup", () => {
  it("loads every registered exact key and every stored key that a pattern matches", async () => {
    const { cluster, a } = setUp(["config", "user:1", "user:2", "other:1"]);
    a.register("config", { ttl: "1h" });
    a.register("absent", { ttl: "1h" });
    a.register("user:*", { ttl: "1h" });
    await expect(cluster.run(a.warmup())).resolves.toEqual({ loaded: 3, missing: 1, failed: 0 });
    expect(a.peek("config")).toBe("config");
    expect(a.peek("user:2")).toBe("user:2");
    expect((await cluster.failure(a.get("other:1"))).code).toBe("UNREGISTERED");
  });

  it("reads so many keys at a time, each batch in one round trip, and says how far it is", async () => {
    const { cluster, store, a } = setUp(numbered("user:", 25));
    a.register("user:*", { ttl: "1h" });
    const seen: WarmupProgress[] = [];
    await cluster.run(a.warmup({ concurrency: 10, onProgress: (progress) => seen.push(progress) }));
    expect(seen).toEqual([
      { loaded: 10, missing: 0, failed: 0 },
      { loaded: 20, missing: 0, failed: 0 },
      { loaded: 25, missing: 0, failed: 0 },
    ]);
    expect(store.calls.filter((method) => method === "getMany" || method === "get")).toHaveLength(3);
  });

  it("loads a key once though several patterns match it", async () => {
    const { cluster, store, a } = setUp(["user:vip:1", "user:vip:2", "user:3"]);
    a.register("user:*", { ttl: "1h" });
    a.register("user:vip:*", { ttl: "1h" });
    a.register("user:vip:1", { ttl: "1h" });
    const asked: unknown[] = [];
    store.faults.before = (method, [keys]) => {
      if (method === "getMany") asked.push(...(keys as string[]));
      if (method === "get") asked.push(keys);
      return undefined;
    };
    await expect(cluster.run(a.warmup())).resolves.toEqual({ loaded: 3, missing: 0, failed: 0 });
    expect(asked.sort()).toEqual(["user:3", "user:vip:1", "user:vip:2"]);
  });

  it("stops once the local tier is full", async () => {
    const { cluster, store, a, localCache } = setUp(numbered("user:", 500), 50);
    a.register("user:*", { ttl: "1h" });
    const progress = await cluster.run(a.warmup({ concurrency: 10 }));
    expect(progress.loaded).toBeGreaterThanOrEqual(50);
    expect(progress.loaded).toBeLessThanOrEqual(70);
    expect(localCache.stats.entries).toBe(50);
    expect(store.calls.filter((method) => method === "getMany").length).toBeLessThan(10);
  });

  it("loads nothing that is in the local tier already from the store", async () => {
    const { cluster, store, a } = setUp(["user:1"]);
    a.register("user:*", { ttl: "1h" });
    await cluster.run(a.get("user:1"));
    store.calls.length = 0;
    await expect(cluster.run(a.warmup())).resolves.toEqual({ loaded: 1, missing: 0, failed: 0 });
    expect(store.calls).toEqual(["keys"]);
  });

  it("does not see Warp's own keys, tombstones or what has expired", async () => {
    const { cluster, a } = setUp(["user:1", "\u0000warp:lease"]);
    a.register("*", { ttl: "1h" });
    a.register("short:*", { ttl: "1h", storeTtl: 100 });
    await cluster.run(a.set("user:2", 2));
    await cluster.run(a.delete("user:2"));
    await cluster.run(a.set("short:1", 1));
    await cluster.run(a.clear());
    await cluster.clock.advance(100);
    await expect(cluster.run(a.warmup())).resolves.toEqual({ loaded: 1, missing: 0, failed: 0 });
  });

  it("counts what cannot be read and goes on", async () => {
    const { cluster, a } = setUp(["user:1", "user:2"]);
    cluster.truth.changeOutside("user:3", new TextEncoder().encode("\u0001{broken"));
    a.register("user:*", { ttl: "1h" });
    await expect(cluster.run(a.warmup())).resolves.toEqual({ loaded: 2, missing: 0, failed: 1 });
  });

  it("rejects if the store cannot list its keys", async () => {
    const { cluster, a } = setUp(["user:1"]);
    a.register("user:*", { ttl: "1h" });
    const broken = cluster.node("b", {
      store: new Proxy(cluster.store(), {
        get: (target, name) => {
          if (name === "keys")
            return async function* () {
              yield "user:1";
              throw new Error("cursor lost");
            };
          const value: unknown = Reflect.get(target, name, target);
          return typeof value === "function" ? value.bind(target) : value;
        },
      }),
    });
    broken.register("user:*", { ttl: "1h" });
    expect(await cluster.failure(broken.warmup())).toMatchObject({ code: "UNAVAILABLE", port: "store" });
  });

  it("ends as ABORTED when its caller leaves, before and in the middle", async () => {
    const { cluster, store, a } = setUp(numbered("user:", 100));
    a.register("user:*", { ttl: "1h" });
    expect((await cluster.failure(a.warmup({ signal: AbortSignal.abort() }))).code).toBe("ABORTED");
    expect(store.calls).toEqual([]);
    const controller = new AbortController();
    const work = a.warmup({
      concurrency: 10,
      signal: controller.signal,
      onProgress: ({ loaded }) => {
        if (loaded === 30) controller.abort();
      },
    });
    expect((await cluster.failure(work)).code).toBe("ABORTED");
    expect(a.peek("user:99")).toBeUndefined();
  });

  it("ends as CLOSED when the node closes meanwhile", async () => {
    const { cluster, store, a } = setUp(numbered("user:", 100));
    a.register("user:*", { ttl: "1h" });
    const { opened, open } = gate();
    store.faults.after = (method) => (method === "getMany" ? opened : undefined);
    const failure = cluster.failure(a.warmup({ concurrency: 10 }));
    await cluster.settle();
    const closed = a.close();
    open();
    expect((await failure).code).toBe("CLOSED");
    await cluster.run(closed);
  });

  it("without a store has the exact keys to ask for, and nothing to list", async () => {
    const cluster = new Cluster();
    const a = cluster.node("a");
    a.register("config", { ttl: "1h" });
    a.register("user:*", { ttl: "1h" });
    await cluster.run(a.set("user:1", 1));
    await expect(cluster.run(a.warmup())).resolves.toEqual({ loaded: 0, missing: 1, failed: 0 });
  });
});
