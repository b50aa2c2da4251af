import { describe, expect, it } from "@jest/globals";
import type { Warp, WarpError, WarpOptions } from "../src/index.ts";
import { Cluster, gate, watched } from "./support/cluster.ts";
import { failOnUnhandledRejections } from "./support/outcomes.ts";

failOnUnhandledRejections();

type Limits = { readonly signal?: AbortSignal; readonly hardTimeout?: number };

const writes: readonly (readonly [string, (warp: Warp, limits: Limits) => Promise<unknown>])[] = [
  ["set", (warp, limits) => warp.set("k:1", "new", limits)],
  ["delete", (warp, limits) => warp.delete("k:1", limits)],
  ["setMany", (warp, limits) => warp.setMany([["k:1", "new"]], limits)],
  ["commit", (warp, limits) => warp.txn().set("k:1", "new").commit(limits)],
  ["transaction", (warp, limits) => warp.transaction((txn) => void txn.set("k:1", "new"), limits)],
];

const codeOf = (error: WarpError): string =>
  error.errors === undefined ? error.code : [...error.errors.values()].map(({ code }) => code).join();

/** A node that holds "old", with a store whose commits wait. */
const setUp = async (options: WarpOptions = {}) => {
  const cluster = new Cluster();
  const store = watched(cluster.store());
  const a = await cluster.member("a", { store: store.port, ...options });
  await cluster.run(a.set("k:1", "old"));
  await cluster.settle();
  const commit = gate();
  store.faults.before = (method) => (method === "commit" ? commit.opened : undefined);
  store.calls.length = 0;
  return { cluster, store, a, commit };
};

describe.each(writes)("%s", (_, write) => {
  it("of a caller who left before is ABORTED, and nothing has been sent", async () => {
    const { cluster, store, a } = await setUp();
    const reason = new Error("client gone");
    const error = await cluster.failure(write(a, { signal: AbortSignal.abort(reason) }));
    expect(codeOf(error)).toBe("ABORTED");
    expect(store.calls).toEqual([]);
    expect(a.peek("k:1")).toBe("old");
  });

  it("of a caller who leaves before its turn comes is ABORTED, and nothing changes", async () => {
    const { cluster, store, a, commit } = await setUp();
    const first = a.set("k:1", "first");
    await cluster.settle();
    const controller = new AbortController();
    const failure = cluster.failure(write(a, { signal: controller.signal }));
    await cluster.settle();
    controller.abort(new Error("client gone"));
    const error = await failure;
    expect(codeOf(error)).toBe("ABORTED");
    commit.open();
    await cluster.run(first);
    await cluster.settle();
    expect(cluster.stored("k:1")).toBe("first");
    expect(store.calls.filter((method) => method === "commit")).toHaveLength(1);
  });

  it("of a caller who leaves while the commit is under way is OUTCOME_UNKNOWN, and finished", async () => {
    const { cluster, a, commit } = await setUp();
    const controller = new AbortController();
    const failure = cluster.failure(write(a, { signal: controller.signal }));
    await cluster.settle();
    controller.abort(new Error("client gone"));
    expect(codeOf(await failure)).toBe("OUTCOME_UNKNOWN");
    commit.open();
    await cluster.settle();
    expect(cluster.stored("k:1")).not.toBe("old");
    expect(a.peek("k:1")).not.toBe("old");
  });

  it("that takes longer than hardTimeout is OUTCOME_UNKNOWN once the commit is under way", async () => {
    const { cluster, a, commit } = await setUp();
    expect(codeOf(await cluster.failure(write(a, { hardTimeout: 100 }), 100))).toBe("OUTCOME_UNKNOWN");
    commit.open();
    await cluster.settle();
    expect(a.peek("k:1")).not.toBe("old");
  });

  it("does not wait for ever for a store that never answers", async () => {
    const { cluster, a } = await setUp();
    expect(codeOf(await cluster.failure(write(a, {}), 10_000))).toBe("OUTCOME_UNKNOWN");
  });

  it("that the registration gives less time takes no longer", async () => {
    const { cluster, a } = await setUp();
    a.register("k:1", { ttl: "1h", hardTimeout: 70 });
    if (write === writes[3]?.[1] || write === writes[4]?.[1]) return;
    expect(codeOf(await cluster.failure(write(a, {}), 70))).toBe("OUTCOME_UNKNOWN");
  });
});

describe("without a store", () => {
  it("a caller who left before changes nothing", async () => {
    const cluster = new Cluster();
    for (const options of [{}, { sharedCache: cluster.sharedCache() }]) {
      const a = cluster.node("a", options);
      a.register("k:*", { ttl: "1h" });
      a.register("l:*", { ttl: "1h", mode: "strong-local" });
      await cluster.clock.advance(5_000);
      const limits = { signal: AbortSignal.abort() };
      for (const key of ["k:1", "l:1"]) {
        await cluster.run(a.set(key, "old"));
        for (const work of [
          a.set(key, "new", limits),
          a.delete(key, limits),
          ...("sharedCache" in options ? [] : [a.txn().set(key, "new").commit(limits)]),
          a.setMany([[key, "new"]], limits),
        ])
          expect(codeOf(await cluster.failure(work))).toBe("ABORTED");
        expect(a.peek(key)).toBe("old");
      }
    }
  });

  it("a caller who leaves while the shared tier is written does not know the outcome", async () => {
    const cluster = new Cluster();
    const shared = watched(cluster.sharedCache());
    const a = cluster.node("a", { sharedCache: shared.port });
    a.register("k:*", { ttl: "1h" });
    await cluster.clock.advance(5_000);
    const put = gate();
    shared.faults.before = (method) => (method === "put" ? put.opened : undefined);
    const controller = new AbortController();
    const failure = cluster.failure(a.set("k:1", 1, { signal: controller.signal }));
    await cluster.settle();
    controller.abort();
    expect((await failure).code).toBe("OUTCOME_UNKNOWN");
    put.open();
    await cluster.settle();
    await expect(cluster.run(a.get("k:1"))).resolves.toBe(1);
  });
});
