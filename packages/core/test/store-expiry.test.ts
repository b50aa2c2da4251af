import { describe, expect, it } from "@jest/globals";
import { MemoryCache, type MergeEngine } from "../src/index.ts";
import { Cluster, sum } from "./support/cluster.ts";
import { failOnUnhandledRejections } from "./support/outcomes.ts";

failOnUnhandledRejections();

/** A node whose store keeps values for 100 ms; the local cache holds on to them, for fail-safe. */
const setUp = async () => {
  const cluster = new Cluster();
  const a = await cluster.member("a", { localCache: new MemoryCache({ clock: cluster.clock }) });
  a.register("e:*", { ttl: "1h", storeTtl: 100, failSafe: "1h" });
  a.register("m:*", { ttl: "1h", storeTtl: 100, failSafe: "1h", merge: sum as MergeEngine });
  a.register("l:*", { ttl: "1h", storeTtl: 100, failSafe: "1h", merge: sum as MergeEngine, mode: "strong-local" });
  return { cluster, a };
};

describe("a value that has expired in the store", () => {
  it("is not merged with", async () => {
    const { cluster, a } = await setUp();
    await cluster.run(a.set("m:1", 5));
    await cluster.clock.advance(150);
    await expect(cluster.run(a.set("m:1", 1))).resolves.toBe(1);
    expect(cluster.stored("m:1")).toBe(1);
  });

  it("is not merged with behind a strong-local write", async () => {
    const { cluster, a } = await setUp();
    await cluster.run(a.set("l:1", 5));
    await cluster.run(a.flush());
    await cluster.clock.advance(150);
    await cluster.run(a.set("l:1", 1));
    await cluster.run(a.flush());
    expect(cluster.stored("l:1")).toBe(1);
    await expect(cluster.run(a.get("l:1"))).resolves.toBe(1);
  });

  it("does not exist any more to a delete", async () => {
    const { cluster, a } = await setUp();
    await cluster.run(a.set("e:1", 5));
    await cluster.clock.advance(150);
    await expect(cluster.run(a.delete("e:1"))).resolves.toBe(false);
  });

  it("does not exist any more to a transaction", async () => {
    const { cluster, a } = await setUp();
    await cluster.run(a.set("m:1", 5));
    await cluster.run(a.set("e:1", 5));
    await cluster.clock.advance(150);
    const txn = a.txn();
    await expect(cluster.run(txn.get("e:1"))).resolves.toBeUndefined();
    txn.set("m:1", 1).compareAndSwap("e:1", undefined, 2);
    await cluster.run(txn.commit());
    expect([cluster.stored("m:1"), cluster.stored("e:1")]).toEqual([1, 2]);
  });

  it("is replaced by a set, which stands on it", async () => {
    const { cluster, a } = await setUp();
    await cluster.run(a.set("e:1", 5));
    await cluster.clock.advance(150);
    await expect(cluster.run(a.set("e:1", 6))).resolves.toBe(6);
    await expect(cluster.run(a.get("e:1"))).resolves.toBe(6);
  });
});

describe("a value that has expired without a store", () => {
  it("does not exist any more to a transaction", async () => {
    const cluster = new Cluster();
    const a = cluster.node("a");
    a.register("k:*", { ttl: 100, failSafe: "1h" });
    await cluster.run(a.set("k:1", 5));
    await cluster.clock.advance(150);
    const txn = a.txn();
    await expect(cluster.run(txn.get("k:1"))).resolves.toBeUndefined();
    txn.set("k:1", 1);
    await cluster.run(txn.commit());
    expect(a.peek("k:1")).toBe(1);
  });
});

describe("an operation that the caller names", () => {
  it("is UNSUPPORTED where nothing could tell that it has taken place", async () => {
    const { cluster, a } = await setUp();
    const alone = cluster.node("b");
    alone.register("k:*", { ttl: "1h" });
    const op = "A".repeat(22);
    for (const call of [
      () => a.set("l:1", 1, { op }),
      () => alone.set("k:1", 1, { op }),
      () => alone.delete("k:1", { op }),
    ])
      expect((await cluster.failure(call())).code).toBe("UNSUPPORTED");
    expect(a.peek("l:1")).toBeUndefined();
    expect(alone.peek("k:1")).toBeUndefined();
  });
});

describe("hardTimeout", () => {
  it("bounds the whole call, also where something has to be flushed first", async () => {
    const cluster = new Cluster();
    const slow = cluster.node("slow", {
      store: new Proxy(cluster.store(), {
        get: (target, name) => {
          const value: unknown = Reflect.get(target, name, target);
          if (name !== "commit") return typeof value === "function" ? value.bind(target) : value;
          return (...parameters: unknown[]) =>
            new Promise<void>((resolve) => void cluster.clock.schedule(70, resolve)).then(() =>
              (value as (...own: unknown[]) => unknown).apply(target, parameters),
            );
        },
      }),
    });
    slow.register("l:*", { ttl: "1h", mode: "strong-local" });
    for (const call of [
      () => slow.delete("l:1", { hardTimeout: 100 }),
      () => slow.txn().set("l:1", 2).commit({ hardTimeout: 100 }),
    ]) {
      await cluster.run(slow.set("l:1", 1));
      expect(["OUTCOME_UNKNOWN", "DEADLINE_EXCEEDED"]).toContain((await cluster.failure(call(), 100)).code);
      await cluster.clock.advance(1_000);
    }
  });
});
