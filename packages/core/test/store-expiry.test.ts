import { describe, expect, it } from "@jest/globals";
import { MemoryCache, type MergeEngine } from "../src/index.ts";
import { Cluster, sum, watched } from "./support/cluster.ts";
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

describe("the expiry of a strong key", () => {
  const strongPair = async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const a = await cluster.member("a", { store: store.port });
    const b = await cluster.member("b");
    for (const warp of [a, b]) {
      warp.register("s:*", { mode: "strong-distributed", ttl: "1h", storeTtl: 1_000 });
      warp.register("c:*", { mode: "strong-distributed", ttl: "1h", storeTtl: 1_000, merge: sum as MergeEngine });
    }
    await cluster.clock.advance(2_400);
    return { cluster, a, b, store };
  };

  it("is a write to whoever has read the value, once somebody was told that there is none", async () => {
    const { cluster, a, b } = await strongPair();
    for (const read of [
      () => a.find("s:1"),
      () => a.getMany(["s:1", "s:2"]),
      () => a.transaction((txn) => txn.get("s:1")),
      () =>
        a
          .txn()
          .compareAndSwap("s:1", 1, 2)
          .commit()
          .catch(() => undefined),
    ]) {
      await cluster.run(a.set("s:1", 1));
      const txn = b.txn();
      expect(await cluster.run(txn.get("s:1"))).toBe(1);
      await cluster.clock.advance(1_000);
      const answer = await cluster.run<unknown>(read());
      expect(answer instanceof Map ? answer.size : answer).toBe(answer instanceof Map ? 0 : undefined);
      expect((await cluster.failure(txn.set("s:2", 1).commit())).code).toBe("CONFLICT");
      expect(cluster.stored("s:2")).toBe(undefined);
    }
  });

  it("comes after a transaction that read the value, as long as nobody has looked", async () => {
    const { cluster, a, b } = await strongPair();
    await cluster.run(a.set("s:1", 1));
    const txn = b.txn();
    expect(await cluster.run(txn.get("s:1"))).toBe(1);
    await cluster.clock.advance(1_000);
    await cluster.run(txn.set("s:2", 1).commit());
    expect(await cluster.run(a.find("s:2"))).toBe(1);
    expect(await cluster.run(a.find("s:1"))).toBe(undefined);
  });

  it("is written down once, by the first of a crowd", async () => {
    const { cluster, a, store } = await strongPair();
    await cluster.run(a.set("s:1", 1));
    await cluster.clock.advance(1_000);
    store.calls.length = 0;
    const found = await cluster.run(Promise.all(Array.from({ length: 50 }, () => a.find("s:1"))));
    expect(new Set(found)).toEqual(new Set([undefined]));
    await cluster.run(a.find("s:1"));
    expect(store.calls.filter((name) => name === "commit")).toHaveLength(1);
  });

  it("is not told while the store does not take it down", async () => {
    const { cluster, a, store } = await strongPair();
    await cluster.run(a.set("s:1", 1));
    await cluster.clock.advance(1_000);
    store.faults.before = (name) => (name === "commit" ? Promise.reject(new Error("read-only")) : undefined);
    expect((await cluster.failure(a.find("s:1"))).code).toBe("UNAVAILABLE");
    store.faults.before = undefined;
    expect(await cluster.run(a.find("s:1"))).toBe(undefined);
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
