import { describe, expect, it } from "@jest/globals";
import type { MergeEngine, Warp, WarpOptions } from "../src/index.ts";
import { Cluster, sum, watched } from "./support/cluster.ts";
import { failOnUnhandledRejections } from "./support/outcomes.ts";

failOnUnhandledRejections();

const open = async (cluster: Cluster, name: string, options: WarpOptions): Promise<Warp> => {
  const warp = cluster.node(name, options);
  warp.register("k:*", { ttl: "1h" });
  warp.register("n:*", { ttl: "1h", merge: sum as MergeEngine });
  await cluster.run(warp.ready());
  return warp;
};

describe("a node with a local cache alone", () => {
  it("sets, merges, deletes and invalidates in it", async () => {
    const cluster = new Cluster();
    const a = await open(cluster, "a", {});
    await expect(cluster.run(a.set("k:1", "x"), 0)).resolves.toBe("x");
    await cluster.run(a.set("n:1", 2));
    await expect(cluster.run(a.set("n:1", 3))).resolves.toBe(5);
    await expect(cluster.run(a.delete("k:1"))).resolves.toBe(true);
    await expect(cluster.run(a.delete("k:1"))).resolves.toBe(false);
    expect((await cluster.failure(a.get("k:1"))).code).toBe("NOT_FOUND");
    await cluster.run(a.invalidate("n:1"));
    await expect(cluster.run(a.set("n:1", 1))).resolves.toBe(1);
    await cluster.run(a.setMany([["k:2", 2] as const, ["k:3", 3] as const]));
    await cluster.run(a.clear());
    expect(a.peek("k:2")).toBeUndefined();
  });

  it("refuses a promise, and whatever else awaits like one: a read could not give it back", async () => {
    const cluster = new Cluster();
    const a = await open(cluster, "a", {});
    const forgetful: MergeEngine = { portVersion: 1, name: "forgetful", readsCurrent: false, merge: async () => 1 };
    a.register("m:*", { ttl: "1h", merge: forgetful });
    await cluster.run(a.set("k:1", "old"));
    // biome-ignore lint/suspicious/noThenProperty: it is what is refused.
    const thenable = { then: (resolve: (value: string) => void) => resolve("other") };
    for (const value of [thenable, Promise.resolve("other")] as unknown[]) {
      const calls: (() => Promise<unknown>)[] = [
        () => a.set("k:1", value),
        () => a.set("k:1", value, { hardTimeout: 1_000 }),
        () => a.transaction((txn) => void txn.set("k:1", value)),
        () => a.transaction((txn) => void txn.compareAndSwap("k:1", "old", value)),
      ];
      for (const call of calls)
        expect(await cluster.failure(call())).toMatchObject({ code: "INVALID_VALUE", key: "k:1" });
      expect((await cluster.failure(a.setMany([["k:1", value]]))).errors?.get("k:1")?.code).toBe("INVALID_VALUE");
    }
    expect(await cluster.failure(a.set("m:1", 1))).toMatchObject({ code: "INVALID_VALUE", port: "merge" });
    expect(a.peek("k:1")).toBe("old");
  });

  it("merges with nothing once the value has expired", async () => {
    const cluster = new Cluster();
    const a = cluster.node("a");
    a.register("n:*", { ttl: 100, merge: sum as MergeEngine });
    await cluster.run(a.set("n:1", 5));
    await cluster.clock.advance(100);
    await expect(cluster.run(a.set("n:1", 1))).resolves.toBe(1);
  });
});

describe("nodes with a bus and no store", () => {
  it("drop their copies when another one sets, deletes or invalidates", async () => {
    const cluster = new Cluster();
    const [a, b] = [await open(cluster, "a", { bus: cluster.bus() }), await open(cluster, "b", { bus: cluster.bus() })];
    for (const change of [
      () => a.set("k:1", "new"),
      () => a.delete("k:1"),
      () => a.invalidate("k:1"),
      () => a.clear(),
    ]) {
      await cluster.run(b.set("k:1", "old"));
      await cluster.settle();
      expect(b.peek("k:1")).toBe("old");
      await cluster.run(change());
      await cluster.settle();
      expect(b.peek("k:1")).toBeUndefined();
    }
  });
});

describe("nodes with a shared tier and no store", () => {
  const pair = async (cluster: Cluster): Promise<readonly [Warp, Warp]> => {
    const parts = (): WarpOptions => ({ sharedCache: cluster.sharedCache(), bus: cluster.bus() });
    const nodes = [await open(cluster, "a", parts()), await open(cluster, "b", parts())] as const;
    await cluster.clock.advance(5_000);
    return nodes;
  };

  it("read there what another one set: the last to reach it wins", async () => {
    const cluster = new Cluster();
    const [a, b] = await pair(cluster);
    await cluster.run(a.set("k:1", "first"));
    await cluster.settle();
    await expect(cluster.run(b.get("k:1"))).resolves.toBe("first");
    await cluster.run(b.set("k:1", "second"));
    await cluster.settle();
    expect(a.peek("k:1")).toBeUndefined();
    await expect(cluster.run(a.get("k:1"))).resolves.toBe("second");
  });

  it("merge with what is there", async () => {
    const cluster = new Cluster();
    const [a, b] = await pair(cluster);
    await cluster.run(a.set("n:1", 2));
    await cluster.settle();
    await expect(cluster.run(b.set("n:1", 3))).resolves.toBe(5);
    await cluster.settle();
    await expect(cluster.run(a.get("n:1"))).resolves.toBe(5);
  });

  it("delete it there, and everywhere", async () => {
    const cluster = new Cluster();
    const [a, b] = await pair(cluster);
    await cluster.run(a.set("k:1", 1));
    await cluster.settle();
    await cluster.run(b.get("k:1"));
    await expect(cluster.run(b.delete("k:1"))).resolves.toBe(true);
    await cluster.settle();
    expect((await cluster.failure(a.get("k:1"))).code).toBe("NOT_FOUND");
  });

  it("go on without the tier while it fails, and its old value is dropped before it is read again", async () => {
    const cluster = new Cluster();
    const shared = watched(cluster.sharedCache());
    const a = await open(cluster, "a", { sharedCache: shared.port, bus: cluster.bus() });
    const b = await open(cluster, "b", { sharedCache: cluster.sharedCache(), bus: cluster.bus() });
    await cluster.clock.advance(5_000);
    await cluster.run(a.set("k:1", "old"));
    await cluster.settle();
    shared.faults.before = async () => {
      throw new Error("no route");
    };
    await expect(cluster.run(a.set("k:1", "new"))).resolves.toBe("new");
    await cluster.settle();
    // It could not be put there; whoever reads must not find the old one.
    expect(await cluster.run(b.find("k:1"))).toBeUndefined();
    expect(a.peek("k:1")).toBe("new");
  });

  it("keep a value that was set once the tier was well again, though a drop of it was owed", async () => {
    const cluster = new Cluster();
    const shared = watched(cluster.sharedCache());
    const a = await open(cluster, "a", { sharedCache: shared.port });
    await cluster.clock.advance(5_000);
    shared.faults.before = async () => {
      throw new Error("no route");
    };
    await cluster.run(a.set("k:1", "lost"));
    expect(a.status().owed).toBe(1);
    shared.faults.before = undefined;
    // The breaker probes, and closes; then the next write comes before the debt is paid.
    for (let waited = 0; waited < 10_000 && a.status().ports.sharedCache !== "up"; waited += 10)
      await cluster.clock.advance(10);
    await cluster.run(a.set("k:1", "kept"));
    await cluster.clock.advance(5_000);
    expect(cluster.shared.slots.get("k:1")?.bytes).toBeDefined();
    expect(a.status().owed).toBe(0);
  });

  it("surface its error under onCacheError: reject, and the others still hear of the change", async () => {
    const cluster = new Cluster();
    const shared = watched(cluster.sharedCache());
    const a = await open(cluster, "a", { sharedCache: shared.port, bus: cluster.bus(), onCacheError: "reject" });
    const b = await open(cluster, "b", { bus: cluster.bus() });
    await cluster.clock.advance(5_000);
    await cluster.run(b.set("k:1", "old"));
    await cluster.settle();
    shared.faults.before = async () => {
      throw new Error("no route");
    };
    const error = await cluster.failure(a.set("k:1", "new"));
    expect(error).toMatchObject({ code: "UNAVAILABLE", port: "shared-cache" });
    await cluster.settle();
    expect(b.peek("k:1")).toBeUndefined();
  });
});

describe("a node with a store and no bus", () => {
  it("writes through, and needs nobody to tell", async () => {
    const cluster = new Cluster();
    const a = await open(cluster, "a", { store: cluster.store() });
    await cluster.run(a.set("k:1", 1));
    await cluster.run(a.invalidate("k:1"));
    await cluster.run(a.clear());
    await expect(cluster.run(a.get("k:1"))).resolves.toBe(1);
    expect(a.nodes()).toEqual(["a"]);
    expect(a.status().ports.bus).toBe("absent");
  });
});
