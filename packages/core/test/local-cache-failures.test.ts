import { describe, expect, it } from "@jest/globals";
import { type LocalCache, MemoryCache, type Warp } from "../src/index.ts";
import { Cluster, watched } from "./support/cluster.ts";
import { failOnUnhandledRejections } from "./support/outcomes.ts";

failOnUnhandledRejections();

/** A local cache of somebody else's, which fails when told to. */
class FragileCache implements LocalCache {
  readonly portVersion = 1;
  readonly isolate = "none";
  failing = false;
  readonly #cache: MemoryCache;

  constructor(cluster: Cluster) {
    this.#cache = new MemoryCache({ clock: cluster.clock });
  }

  get stats() {
    return this.#cache.stats;
  }

  #well(): MemoryCache {
    if (this.failing) throw new Error("broken");
    return this.#cache;
  }

  get: LocalCache["get"] = (key) => this.#well().get(key);
  set: LocalCache["set"] = (key, entry) => this.#well().set(key, entry);
  delete: LocalCache["delete"] = (key) => this.#well().delete(key);
  entries: LocalCache["entries"] = () => this.#well().entries();
  clear: LocalCache["clear"] = () => this.#well().clear();
}

const changes: readonly (readonly [string, (warp: Warp) => Promise<unknown>])[] = [
  ["set", (warp) => warp.set("k:1", "new")],
  ["delete", (warp) => warp.delete("k:1")],
  ["invalidate", (warp) => warp.invalidate("k:1")],
  ["clear", (warp) => warp.clear()],
  ["a transaction", (warp) => warp.txn().set("k:1", "new").commit()],
  ["setMany", (warp) => warp.setMany([["k:1", "new"]])],
];

const setUp = async (onCacheError: "miss" | "reject") => {
  const cluster = new Cluster();
  const localCache = new FragileCache(cluster);
  const a = await cluster.member("a", { localCache, onCacheError });
  const b = await cluster.member("b");
  await cluster.clock.advance(3_000);
  await cluster.run(a.set("k:1", "old"));
  await cluster.settle();
  await cluster.run(b.get("k:1"));
  return { cluster, localCache, a, b };
};

describe("a local cache that fails", () => {
  it.each(changes)('under "miss" keeps neither the change nor its announcement: %s', async (_, change) => {
    const { cluster, localCache, a, b } = await setUp("miss");
    localCache.failing = true;
    await cluster.run(change(a));
    await cluster.settle();
    expect(b.peek("k:1")).toBeUndefined();
    await expect(cluster.run(a.find("k:1"))).resolves.toBe(cluster.stored("k:1"));
  });

  it.each(changes)('under "reject" surfaces, but the other nodes hear of the change: %s', async (_, change) => {
    const { cluster, localCache, a, b } = await setUp("reject");
    localCache.failing = true;
    const error = await cluster.failure(change(a));
    const inner = [...(error.errors?.values() ?? [error])][0];
    expect(inner).toMatchObject({ code: "UNAVAILABLE", port: "local-cache" });
    await cluster.settle();
    // Nothing at all was changed, or everybody knows.
    if (cluster.stored("k:1") !== "old" || b.peek("k:1") === undefined) expect(b.peek("k:1")).toBeUndefined();
    await expect(cluster.run(b.find("k:1"))).resolves.toBe(cluster.stored("k:1"));
  });

  it.each([
    ["plain", undefined],
    ["of limited patience", { hardTimeout: "5s" }],
  ] as const)("after the shared tier has taken a write, %s: the other nodes hear of it", async (_, limits) => {
    const cluster = new Cluster();
    const localCache = new FragileCache(cluster);
    const shared = watched(cluster.sharedCache());
    const a = cluster.node("a", { localCache, sharedCache: shared.port, bus: cluster.bus(), onCacheError: "reject" });
    const b = cluster.node("b", { sharedCache: cluster.sharedCache(), bus: cluster.bus() });
    for (const node of [a, b]) node.register("k:*", { ttl: "1h" });
    await cluster.clock.advance(5_000);
    await cluster.run(b.set("k:1", "old"));
    await cluster.settle();
    shared.faults.before = async () => {
      localCache.failing = true;
    };
    const error = await cluster.failure(limits === undefined ? a.set("k:1", "new") : a.set("k:1", "new", limits));
    expect(error).toMatchObject({ code: "UNAVAILABLE", port: "local-cache" });
    await cluster.settle();
    await expect(cluster.run(b.find("k:1"))).resolves.toBe("new");
  });

  it.each(["miss", "reject"] as const)("under %p does not throw at the bus what it does with news", async (policy) => {
    const { cluster, localCache, a, b } = await setUp(policy);
    localCache.failing = true;
    await cluster.run(b.setMany([["k:1", "new"] as const, ["k:2", "new"] as const]));
    await cluster.clock.advance(100);
    await cluster.run(b.clear());
    await cluster.clock.advance(5_000);
    localCache.failing = false;
    expect(a.status().ports.bus).toBe("up");
    await expect(cluster.run(a.get("k:2"))).resolves.toBe("new");
  });
});
