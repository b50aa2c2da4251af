import { describe, expect, it } from "@jest/globals";
import type { WarpError } from "../src/index.ts";
import { Cluster, gate, never, watched } from "./support/cluster.ts";
import { failOnUnhandledRejections } from "./support/outcomes.ts";

failOnUnhandledRejections();

const setUp = async () => {
  const cluster = new Cluster();
  const store = watched(cluster.store());
  const bus = watched(cluster.bus());
  const a = await cluster.member("a", { store: store.port, bus: bus.port });
  const b = await cluster.member("b");
  const commits = (): number => store.calls.filter((method) => method === "commit").length;
  return { cluster, store, bus, a, b, commits };
};

/** Aborted a little later. */
const soon = ({ clock }: Cluster): AbortSignal => {
  const controller = new AbortController();
  clock.schedule(20, () => controller.abort());
  return controller.signal;
};

describe("a transaction", () => {
  it("sees its own writes, and nobody else does before it commits", async () => {
    const { cluster, a } = await setUp();
    await cluster.run(a.set("k:1", "old"));
    const txn = a.txn();
    txn.set("k:1", "new").set("k:2", "made").delete("k:3");
    await expect(cluster.run(txn.get("k:1"))).resolves.toBe("new");
    await expect(cluster.run(txn.get("k:2"))).resolves.toBe("made");
    await expect(cluster.run(txn.get("k:3"))).resolves.toBeUndefined();
    expect(a.peek("k:1")).toBe("old");
    expect(cluster.stored("k:2")).toBeUndefined();
    await cluster.run(txn.commit());
    expect(cluster.stored("k:1")).toBe("new");
    expect(a.peek("k:1")).toBe("new");
    expect(a.peek("k:2")).toBe("made");
  });

  it("merges what it sets with what is there, also twice, and after its own delete with nothing", async () => {
    const { cluster, a, b } = await setUp();
    await cluster.run(b.set("n:1", 100));
    await cluster.run(b.set("n:2", 100));
    const txn = a.txn().set("n:1", 1).set("n:1", 2).delete("n:2").set("n:2", 5);
    await cluster.run(txn.commit());
    expect(cluster.stored("n:1")).toBe(103);
    expect(cluster.stored("n:2")).toBe(5);
  });

  it("applies all of its keys or none, in one commit and one frame", async () => {
    const { cluster, bus, a, b, commits } = await setUp();
    await cluster.run(a.set("k:1", 1));
    await cluster.run(a.set("k:2", 2));
    await cluster.settle();
    for (const key of ["k:1", "k:2"]) await cluster.run(b.get(key));
    const before = commits();
    bus.calls.length = 0;
    await cluster.run(a.txn().set("k:1", 10).delete("k:2").set("k:3", 30).commit());
    await cluster.settle();
    expect(commits()).toBe(before + 1);
    expect(bus.calls).toEqual(["publish"]);
    for (const node of [a, b]) {
      await expect(cluster.run(node.find("k:1"))).resolves.toBe(10);
      await expect(cluster.run(node.find("k:2"))).resolves.toBeUndefined();
      await expect(cluster.run(node.find("k:3"))).resolves.toBe(30);
    }
    const revisions = ["k:1", "k:2", "k:3"].map((key) => cluster.data.current(key)?.revision);
    expect(new Set(revisions).size).toBe(1);
  });

  it("counts every one of many that add to the same keys at once, on two nodes", async () => {
    const { cluster, a, b } = await setUp();
    const move = (node: typeof a) => node.txn().set("n:1", 1).set("n:2", -1).commit();
    await cluster.run(Promise.all(Array.from({ length: 20 }, (_, index) => move(index % 2 === 0 ? a : b))));
    expect(cluster.stored("n:1")).toBe(20);
    expect(cluster.stored("n:2")).toBe(-20);
  });

  it("commits as CONFLICT if a key that it read has changed, naming it, and changes nothing", async () => {
    const { cluster, a, b } = await setUp();
    await cluster.run(a.set("k:1", 1));
    await cluster.run(a.set("k:2", 2));
    const txn = a.txn();
    await cluster.run(txn.get("k:1"));
    txn.set("k:2", 20);
    await cluster.run(b.set("k:1", 10));
    const error = await cluster.failure(txn.commit());
    expect(error).toMatchObject({ code: "CONFLICT", keys: ["k:1"], operation: "commit" });
    expect(cluster.stored("k:2")).toBe(2);
  });

  it("that only reads is validated too: what it saw held at one time", async () => {
    const { cluster, a, b } = await setUp();
    await cluster.run(a.set("k:1", 1));
    await cluster.run(a.set("k:2", 2));
    const good = a.txn();
    await cluster.run(good.get("k:1"));
    await cluster.run(good.get("k:2"));
    await cluster.run(good.commit());
    const torn = a.txn();
    await cluster.run(torn.get("k:1"));
    await cluster.run(b.txn().set("k:1", 10).set("k:2", 20).commit());
    await expect(cluster.run(torn.get("k:2"))).resolves.toBe(20);
    expect(await cluster.failure(torn.commit())).toMatchObject({ code: "CONFLICT", keys: ["k:1"] });
  });

  it("that only reads has no unknown outcome: whoever leaves knows that nothing was written", async () => {
    const { cluster, store, a } = await setUp();
    await cluster.run(a.set("k:1", 1));
    for (const kept of ["before", "after"] as const)
      for (const [code, leave] of [
        ["ABORTED", () => ({ signal: soon(cluster) })],
        ["DEADLINE_EXCEEDED", () => ({ hardTimeout: 50 })],
      ] as const) {
        const txn = a.txn();
        await cluster.run(txn.get("k:1"));
        const { opened, open } = gate();
        store.faults[kept] = (method) => (method === "commit" ? opened : undefined);
        expect((await cluster.failure(txn.commit(leave()))).code).toBe(code);
        store.faults[kept] = undefined;
        open();
        await cluster.settle();
      }
    expect(cluster.stored("k:1")).toBe(1);
  });

  it("reads the store, not a copy that may be out of date", async () => {
    const { cluster, a, b } = await setUp();
    await cluster.run(a.set("k:1", "old"));
    cluster.network.faults.drop = () => true;
    await cluster.run(b.set("k:1", "new"));
    expect(a.peek("k:1")).toBe("old");
    await expect(cluster.run(a.txn().get("k:1"))).resolves.toBe("new");
  });

  it("judges by its first read of a key, however many it makes at once", async () => {
    const { cluster, store, a, b } = await setUp();
    await cluster.run(a.set("k:1", "first"));
    const txn = a.txn();
    const { opened, open } = gate();
    let reads = 0;
    store.faults.after = (method) => (method === "get" && ++reads === 1 ? opened : undefined);
    const first = txn.get("k:1");
    await cluster.settle();
    await cluster.run(b.set("k:1", "second"));
    const second = txn.get("k:1");
    await cluster.settle();
    open();
    expect(await cluster.run(Promise.all([first, second]))).toEqual(["first", "first"]);
    expect((await cluster.failure(txn.commit())).code).toBe("CONFLICT");
  });

  it("can read a key again after a read that failed", async () => {
    const { cluster, store, a } = await setUp();
    await cluster.run(a.set("k:1", 1));
    const txn = a.txn();
    store.faults.before = async () => {
      throw new Error("down");
    };
    expect((await cluster.failure(txn.get("k:1"))).code).toBe("UNAVAILABLE");
    store.faults.before = undefined;
    await expect(cluster.run(txn.get("k:1"))).resolves.toBe(1);
  });

  it("is used once: a second commit, and whatever comes after a rollback, is CLOSED", async () => {
    const { cluster, a, commits } = await setUp();
    const txn = a.txn().set("k:1", 1);
    await cluster.run(txn.commit());
    const before = commits();
    expect((await cluster.failure(txn.commit())).code).toBe("CLOSED");
    expect((await cluster.failure(txn.get("k:1"))).code).toBe("CLOSED");
    expect(() => txn.set("k:1", 2)).toThrow(expect.objectContaining({ code: "CLOSED" }));
    const gone = a.txn().set("k:1", 3);
    gone.rollback();
    gone.rollback();
    expect((await cluster.failure(gone.commit())).code).toBe("CLOSED");
    expect(commits()).toBe(before);
    expect(cluster.stored("k:1")).toBe(1);
  });

  it("without anything in it commits without asking anybody", async () => {
    const { cluster, store, a } = await setUp();
    store.calls.length = 0;
    await cluster.run(a.txn().commit());
    expect(store.calls).toEqual([]);
  });

  it("of more than one key on a store without atomic batches is UNSUPPORTED before anything is sent", async () => {
    const cluster = new Cluster();
    const target = cluster.store();
    const port = new Proxy(target, {
      get: (_, name) => {
        if (name === "atomicBatch") return false;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    const counted = watched(port);
    const a = await cluster.member("a", { store: counted.port });
    counted.calls.length = 0;
    const error = await cluster.failure(a.txn().set("k:1", 1).set("k:2", 2).commit());
    expect(error).toMatchObject({ code: "UNSUPPORTED", port: "store" });
    expect(counted.calls).toEqual([]);
    await cluster.run(a.txn().set("k:1", 1).commit());
    expect(cluster.stored("k:1")).toBe(1);
    const txn = a.txn();
    await cluster.run(txn.get("k:1"));
    expect((await cluster.failure(txn.set("k:2", 2).commit())).code).toBe("UNSUPPORTED");
  });

  it("refuses keys that no pattern matches, and keys that are none", async () => {
    const { a } = await setUp();
    expect(() => a.txn().set("other", 1)).toThrow(expect.objectContaining({ code: "UNREGISTERED" }));
    expect(() => a.txn().set("k:*", 1)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    expect(() => a.txn().set("", 1)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });

  it("whose rollback comes while its commit is under way is settled all the same", async () => {
    const { cluster, store, a, b } = await setUp();
    await cluster.run(a.set("k:1", "old"));
    await cluster.settle();
    await cluster.run(b.get("k:1"));
    const { opened, open } = gate();
    store.faults.after = (method) => (method === "commit" ? opened : undefined);
    const txn = a.txn().set("k:1", "new");
    expect((await cluster.failure(txn.commit({ hardTimeout: 100 }))).code).toBe("OUTCOME_UNKNOWN");
    txn.rollback();
    open();
    await cluster.settle();
    expect(b.peek("k:1")).toBeUndefined();
    await expect(cluster.run(b.get("k:1"))).resolves.toBe("new");
    await expect(cluster.run(a.get("k:1"))).resolves.toBe("new");
  });

  it("whose reply is lost is found in the store, and applied once", async () => {
    const { cluster, store, a, b } = await setUp();
    await cluster.run(a.set("n:1", 1));
    let lost = 0;
    store.faults.after = async (method) => {
      if (method === "commit" && lost++ === 0) throw new Error("connection reset");
    };
    await cluster.run(a.txn().set("n:1", 1).commit());
    expect(cluster.stored("n:1")).toBe(2);
    await expect(cluster.run(b.get("n:1"))).resolves.toBe(2);
  });

  it("whose request is lost is a CONFLICT, not sent for ever, if what it only read moved meanwhile", async () => {
    const { cluster, store, a, b } = await setUp();
    await cluster.run(a.set("k:1", 1));
    const txn = a.txn();
    await cluster.run(txn.get("k:1"));
    txn.set("k:2", 2);
    const { opened, open } = gate();
    let first = true;
    store.faults.before = async (method) => {
      if (method !== "commit" || !first) return;
      first = false;
      await opened;
      throw new Error("connection reset");
    };
    const failure = cluster.failure(txn.commit({ hardTimeout: "1m" }));
    await cluster.settle();
    await cluster.run(b.set("k:1", 10));
    open();
    expect(await failure).toMatchObject({ code: "CONFLICT", keys: ["k:1"] });
    expect(cluster.data.current("k:2")).toBeUndefined();
  });

  it("that only read, and whose reply is lost, is asked again", async () => {
    const { cluster, store, a } = await setUp();
    await cluster.run(a.set("k:1", 1));
    const txn = a.txn();
    await cluster.run(txn.get("k:1"));
    let lost = 0;
    store.faults.after = async (method) => {
      if (method === "commit" && lost++ === 0) throw new Error("connection reset");
    };
    await cluster.run(txn.commit());
  });
});

describe("compareAndSwap", () => {
  it("puts the next value where the expected one stands, compared deeply", async () => {
    const { cluster, a } = await setUp();
    await cluster.run(a.set("k:1", { list: [1, { x: 2 }], y: null }));
    await cluster.run(
      a
        .txn()
        .compareAndSwap("k:1", { y: null, list: [1, { x: 2 }] }, "next")
        .commit(),
    );
    expect(cluster.stored("k:1")).toBe("next");
  });

  it("does not merge", async () => {
    const { cluster, a } = await setUp();
    await cluster.run(a.set("n:1", 5));
    await cluster.run(a.txn().compareAndSwap("n:1", 5, 7).commit());
    expect(cluster.stored("n:1")).toBe(7);
  });

  it("takes undefined for a key that does not exist, before and after", async () => {
    const { cluster, a, b } = await setUp();
    await cluster.run(a.txn().compareAndSwap("k:1", undefined, "made").commit());
    expect(cluster.stored("k:1")).toBe("made");
    expect((await cluster.failure(a.txn().compareAndSwap("k:1", undefined, "again").commit())).code).toBe(
      "CAS_MISMATCH",
    );
    await cluster.run(b.txn().compareAndSwap("k:1", "made", undefined).commit());
    expect(cluster.data.current("k:1")).toBeDefined();
    expect(cluster.stored("k:1")).toBeUndefined();
    await cluster.run(a.txn().compareAndSwap("k:1", undefined, "anew").commit());
    expect(cluster.stored("k:1")).toBe("anew");
  });

  it("that finds another value fails as CAS_MISMATCH naming all such keys, and nothing has changed", async () => {
    const { cluster, a } = await setUp();
    for (const key of ["k:1", "k:2", "k:3"]) await cluster.run(a.set(key, "old"));
    const txn = a
      .txn()
      .compareAndSwap("k:1", "old", "new")
      .compareAndSwap("k:2", "other", "new")
      .compareAndSwap("k:3", undefined, "new");
    const error = await cluster.failure(txn.commit());
    expect(error).toMatchObject({ code: "CAS_MISMATCH", keys: ["k:2", "k:3"] });
    for (const key of ["k:1", "k:2", "k:3"]) expect(cluster.stored(key)).toBe("old");
  });

  it("compares with what the store holds, not with a copy that is out of date", async () => {
    const { cluster, a, b } = await setUp();
    await cluster.run(a.set("k:1", "old"));
    cluster.network.faults.drop = () => true;
    await cluster.run(b.set("k:1", "new"));
    expect(a.peek("k:1")).toBe("old");
    expect((await cluster.failure(a.txn().compareAndSwap("k:1", "old", "x").commit())).code).toBe("CAS_MISMATCH");
    await cluster.run(a.txn().compareAndSwap("k:1", "new", "x").commit());
    expect(cluster.stored("k:1")).toBe("x");
  });

  it("lets one of many that expect the same value win", async () => {
    const { cluster, a, b } = await setUp();
    await cluster.run(a.set("k:1", 0));
    const attempts = Array.from({ length: 10 }, (_, index) =>
      (index % 2 === 0 ? a : b)
        .txn()
        .compareAndSwap("k:1", 0, index + 1)
        .commit(),
    );
    const results = await cluster.run(Promise.allSettled(attempts));
    const won = results.flatMap((result, index) => (result.status === "fulfilled" ? [index + 1] : []));
    expect(won).toEqual([cluster.stored("k:1")]);
    for (const result of results)
      if (result.status === "rejected") expect((result.reason as WarpError).code).toBe("CAS_MISMATCH");
  });

  it("sees what the transaction itself has written", async () => {
    const { cluster, a } = await setUp();
    await cluster.run(a.txn().set("k:1", 1).compareAndSwap("k:1", 1, 2).commit());
    expect(cluster.stored("k:1")).toBe(2);
  });
});

describe("transaction(fn)", () => {
  it("commits what the function did, and resolves what it returned", async () => {
    const { cluster, a } = await setUp();
    const result = await cluster.run(
      a.transaction(async (txn) => {
        const count = ((await txn.get("k:1")) as number | undefined) ?? 0;
        txn.set("k:1", count + 1);
        return count;
      }),
    );
    expect(result).toBe(0);
    expect(cluster.stored("k:1")).toBe(1);
  });

  it("starts again after a CONFLICT, so that read-modify-write counts every time", async () => {
    const { cluster, a, b } = await setUp();
    let runs = 0;
    const increment = (node: typeof a) =>
      node.transaction(
        async (txn) => {
          runs++;
          const count = ((await txn.get("k:1")) as number | undefined) ?? 0;
          txn.set("k:1", count + 1);
        },
        { retries: 50 },
      );
    await cluster.run(Promise.all(Array.from({ length: 10 }, (_, index) => increment(index % 2 === 0 ? a : b))));
    expect(cluster.stored("k:1")).toBe(10);
    expect(runs).toBeGreaterThan(10);
  });

  it("gives up after so many retries", async () => {
    const { cluster, a } = await setUp();
    let runs = 0;
    const work = a.transaction(
      async (txn) => {
        runs++;
        await txn.get("k:1");
        cluster.truth.changeOutside("k:1", new TextEncoder().encode(`\u0001${runs}`));
        txn.set("k:1", 0);
      },
      { retries: 2 },
    );
    expect((await cluster.failure(work)).code).toBe("CONFLICT");
    expect(runs).toBe(3);
  });

  it("never starts again after OUTCOME_UNKNOWN", async () => {
    const { cluster, store, a } = await setUp();
    let runs = 0;
    store.faults.before = (method) => (method === "commit" ? never : undefined);
    const work = a.transaction(
      (txn) => {
        runs++;
        txn.set("k:1", 1);
      },
      { hardTimeout: 100 },
    );
    expect((await cluster.failure(work)).code).toBe("OUTCOME_UNKNOWN");
    await cluster.clock.advance(10_000);
    expect(runs).toBe(1);
  });

  it("passes the function's own error and sends nothing", async () => {
    const { cluster, a, commits } = await setUp();
    const own = new Error("mine");
    const before = commits();
    const work = a.transaction((txn) => {
      txn.set("k:1", 1);
      throw own;
    });
    expect(await cluster.failure(work)).toBe(own);
    expect(commits()).toBe(before);
  });

  it("does not retry CAS_MISMATCH", async () => {
    const { cluster, a } = await setUp();
    let runs = 0;
    const work = a.transaction((txn) => {
      runs++;
      txn.compareAndSwap("k:1", 1, 2);
    });
    expect((await cluster.failure(work)).code).toBe("CAS_MISMATCH");
    expect(runs).toBe(1);
  });

  it("is bounded by hardTimeout as a whole: the function, all attempts and the pauses between them", async () => {
    const { cluster, a, commits } = await setUp();
    let runs = 0;
    const began = cluster.clock.monotonic();
    const work = a.transaction(
      async (txn) => {
        runs++;
        await txn.get("k:1");
        await new Promise<void>((resolve) => cluster.clock.schedule(30, resolve));
        cluster.truth.changeOutside("k:1", new TextEncoder().encode(`\u0001${runs}`));
        txn.set("k:1", 0);
      },
      { retries: 1_000, hardTimeout: 200 },
    );
    expect(await cluster.failure(work)).toMatchObject({ code: "DEADLINE_EXCEEDED", operation: "transaction" });
    expect(cluster.clock.monotonic() - began).toBe(200);
    expect(runs).toBeGreaterThan(2);
    const sent = commits();
    await cluster.clock.advance(10_000);
    expect(commits()).toBe(sent);
    expect(cluster.stored("k:1")).not.toBe(0);
  });

  it("leaves to its commit only the time that the function has left over", async () => {
    const { cluster, store, a } = await setUp();
    store.faults.before = (method) => (method === "commit" ? never : undefined);
    const began = cluster.clock.monotonic();
    const work = a.transaction(
      async (txn) => {
        await new Promise<void>((resolve) => cluster.clock.schedule(80, resolve));
        txn.set("k:1", 1);
      },
      { hardTimeout: 100 },
    );
    expect((await cluster.failure(work)).code).toBe("OUTCOME_UNKNOWN");
    expect(cluster.clock.monotonic() - began).toBe(100);
  });

  it.each(["in a read of the function", "in the function itself", "between two attempts"])(
    "that is aborted %s is ABORTED at once, and nothing has changed",
    async (where) => {
      const { cluster, store, a, commits } = await setUp();
      const controller = new AbortController();
      const reason = new Error("client gone");
      if (where === "in a read of the function")
        store.faults.before = (method) => (method === "get" ? never : undefined);
      let late: unknown;
      const began = cluster.clock.monotonic();
      const work = a.transaction(
        async (txn) => {
          await txn.get("k:1");
          if (where === "in the function itself") await new Promise<void>((go) => cluster.clock.schedule(500, go));
          cluster.truth.changeOutside("k:1", new TextEncoder().encode("\u00017"));
          try {
            txn.set("k:1", 0);
          } catch (error) {
            late = error;
            throw error;
          }
        },
        { signal: controller.signal },
      );
      cluster.clock.schedule(1, () => controller.abort(reason));
      expect(await cluster.failure(work)).toMatchObject({ code: "ABORTED", operation: "transaction", cause: reason });
      expect(cluster.clock.monotonic() - began).toBe(1);
      const sent = commits();
      await cluster.clock.advance(10_000);
      expect(commits()).toBe(sent);
      expect(cluster.stored("k:1")).not.toBe(0);
      expect((late as WarpError | undefined)?.code).toBe(where === "in the function itself" ? "CLOSED" : undefined);
    },
  );

  it("of a caller who has left does not run the function", async () => {
    const { cluster, a } = await setUp();
    let runs = 0;
    const work = a.transaction(() => void runs++, { signal: AbortSignal.abort() });
    expect((await cluster.failure(work)).code).toBe("ABORTED");
    expect(runs).toBe(0);
  });
});

describe("a transaction over strong-local keys", () => {
  it("stands on what they hold, and is told to other nodes like any", async () => {
    const { cluster, a, b } = await setUp();
    for (const node of [a, b]) node.register("l:*", { mode: "strong-local", ttl: "1h" });
    await cluster.run(a.set("l:1", 1));
    await cluster.run(a.transaction(async (txn) => txn.set("k:1", await txn.get("l:1")).set("l:1", 2)));
    expect(cluster.stored("k:1")).toBe(1);
    expect(cluster.stored("l:1")).toBe(2);
    expect(a.peek("l:1")).toBe(2);
  });
});

describe("a transaction without a store", () => {
  it("is one step in the local tier: all or nothing, read keys checked, values compared", async () => {
    const cluster = new Cluster();
    const a = cluster.node("a");
    a.register("k:*", { ttl: "1h" });
    await cluster.run(a.txn().set("k:1", 1).set("k:2", 2).commit());
    expect([a.peek("k:1"), a.peek("k:2")]).toEqual([1, 2]);
    const txn = a.txn();
    await txn.get("k:1");
    txn.set("k:2", 20);
    await a.set("k:1", 10);
    expect((await cluster.failure(txn.commit())).code).toBe("CONFLICT");
    const error = await cluster.failure(a.txn().set("k:3", 3).compareAndSwap("k:2", 7, 8).commit());
    expect(error).toMatchObject({ code: "CAS_MISMATCH", keys: ["k:2"] });
    expect([a.peek("k:2"), a.peek("k:3")]).toEqual([2, undefined]);
    await cluster.run(a.txn().compareAndSwap("k:2", 2, undefined).delete("k:1").commit());
    expect([a.peek("k:1"), a.peek("k:2")]).toEqual([undefined, undefined]);
  });

  it("compares any values where nothing goes through a codec", async () => {
    const cluster = new Cluster();
    const a = cluster.node("a");
    a.register("k:*", { ttl: "1h" });
    await a.set("k:1", new Map([[1, 2n]]));
    await cluster.run(
      a
        .txn()
        .compareAndSwap("k:1", new Map([[1, 2n]]), new Set([1]))
        .commit(),
    );
    expect(a.peek("k:1")).toEqual(new Set([1]));
  });

  it("has the other nodes forget the keys, in one frame", async () => {
    const cluster = new Cluster();
    const bus = watched(cluster.bus());
    const a = cluster.node("a", { bus: bus.port });
    const b = cluster.node("b", { bus: cluster.bus() });
    for (const node of [a, b]) node.register("k:*", { ttl: "1h" });
    await cluster.run(Promise.all([a.ready(), b.ready()]));
    await cluster.run(b.set("k:1", "old"));
    await cluster.run(b.set("k:2", "old"));
    await cluster.settle();
    bus.calls.length = 0;
    await cluster.run(a.txn().set("k:1", "new").delete("k:2").commit());
    await cluster.settle();
    expect([b.peek("k:1"), b.peek("k:2")]).toEqual([undefined, undefined]);
    expect(a.peek("k:1")).toBe("new");
    expect(bus.calls).toEqual(["publish"]);
  });
});
