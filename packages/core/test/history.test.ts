import { describe, expect, it } from "@jest/globals";
import type { Store, Warp, WarpOptions } from "../src/index.ts";
import { Cluster, watched } from "./support/cluster.ts";
import { failOnUnhandledRejections } from "./support/outcomes.ts";

failOnUnhandledRejections();

const hour = 3_600_000;

/** A node that keeps the past of `h:*`, with its store's clock ahead of its own by `aheadMs`. */
const withStore = async (history: { versions?: number; maxAge?: number } = {}, options: WarpOptions = {}) => {
  const cluster = new Cluster();
  const a = await cluster.member("a", options);
  a.register("h:*", { ttl: "1h", history });
  return { cluster, a };
};

const withoutStore = (history: { versions?: number; maxAge?: number } = {}, options: WarpOptions = {}) => {
  const cluster = new Cluster();
  const a = cluster.node("a", options);
  a.register("h:*", { ttl: "10h", history });
  return { cluster, a };
};

/** A store that implements no `History`. */
const withoutHistory = (target: Store, facts: Partial<Store> = {}): Store =>
  new Proxy(target, {
    get: (_, name) => {
      if (name === "getAt") return undefined;
      if (name in facts) return Reflect.get(facts, name);
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });

const codeAt = async (cluster: Cluster, warp: Warp, at: number): Promise<string> =>
  (await cluster.failure(warp.getAt("h:1", at))).code;

/** Sets three values ten seconds apart. @returns When each came. */
const setThree = async (cluster: Cluster, warp: Warp): Promise<readonly [number, number, number]> => {
  const dates: number[] = [];
  for (const value of ["one", "two", "three"]) {
    dates.push(cluster.clock.now());
    await cluster.run(warp.set("h:1", value));
    await cluster.clock.advance(10_000);
  }
  return dates as [number, number, number];
};

describe("getAt with a store", () => {
  it("answers with the value as of a Date or of milliseconds, a commit at that time included", async () => {
    const { cluster, a } = await withStore();
    const [one, two, three] = await setThree(cluster, a);
    await expect(cluster.run(a.getAt("h:1", one))).resolves.toBe("one");
    await expect(cluster.run(a.getAt("h:1", new Date(two - 1)))).resolves.toBe("one");
    await expect(cluster.run(a.getAt("h:1", new Date(two)))).resolves.toBe("two");
    await expect(cluster.run(a.getAt("h:1", three + hour))).resolves.toBe("three");
  });

  it("answers NOT_FOUND for a time at which the key did not exist", async () => {
    const { cluster, a } = await withStore();
    const [one] = await setThree(cluster, a);
    await cluster.run(a.delete("h:1"));
    const deleted = cluster.clock.now();
    await cluster.clock.advance(1_000);
    await cluster.run(a.set("h:1", "again"));
    expect(await codeAt(cluster, a, one - 1)).toBe("NOT_FOUND");
    expect(await codeAt(cluster, a, deleted)).toBe("NOT_FOUND");
    await expect(cluster.run(a.getAt("h:1", deleted + 1_000))).resolves.toBe("again");
  });

  it("dates by the store's clock, on whichever node it is asked", async () => {
    const { cluster, a } = await withStore();
    const b = await cluster.member("b");
    b.register("h:*", { ttl: "1h", history: {} });
    const store = cluster.clock.now();
    await cluster.run(a.set("h:1", "one"));
    expect(cluster.data.current("h:1")?.committedAt).toBe(store);
    await expect(cluster.run(b.getAt("h:1", store))).resolves.toBe("one");
    expect(await codeAt(cluster, b, store - 1)).toBe("NOT_FOUND");
  });

  it("has dates that never go back along a key, though the store's clock does", async () => {
    const { cluster, a } = await withStore();
    const began = cluster.clock.now();
    await cluster.run(a.set("h:1", "one"));
    cluster.clock.jumpWall(-hour);
    await cluster.run(a.set("h:1", "two"));
    expect(cluster.data.current("h:1")?.committedAt).toBe(began);
    await expect(cluster.run(a.getAt("h:1", began))).resolves.toBe("two");
    expect(await codeAt(cluster, a, began - hour)).toBe("NOT_FOUND");
  });

  it("keeps so many former versions", async () => {
    const { cluster, a } = await withStore({ versions: 1 });
    const [one, two, three] = await setThree(cluster, a);
    expect(await codeAt(cluster, a, one)).toBe("HISTORY_UNAVAILABLE");
    await expect(cluster.run(a.getAt("h:1", two))).resolves.toBe("two");
    await expect(cluster.run(a.getAt("h:1", three))).resolves.toBe("three");
  });

  it("keeps former versions so long", async () => {
    const { cluster, a } = await withStore({ maxAge: 15_000 });
    const [one, two] = await setThree(cluster, a);
    expect(await codeAt(cluster, a, one)).toBe("HISTORY_UNAVAILABLE");
    await expect(cluster.run(a.getAt("h:1", two))).resolves.toBe("two");
  });

  it("is HISTORY_UNAVAILABLE for former values of keys that keep none, and has the present one", async () => {
    const { cluster, a } = await withStore();
    await cluster.run(a.set("k:1", "old"));
    const then = cluster.clock.now();
    await cluster.clock.advance(1_000);
    await cluster.run(a.set("k:1", "new"));
    expect((await cluster.failure(a.getAt("k:1", then))).code).toBe("HISTORY_UNAVAILABLE");
    await expect(cluster.run(a.getAt("k:1", cluster.clock.now()))).resolves.toBe("new");
  });

  it("asks the store whatever the caches hold", async () => {
    const { cluster, a } = await withStore();
    await cluster.run(a.set("h:1", "mine"));
    await cluster.clock.advance(10);
    cluster.truth.changeOutside("h:1", new TextEncoder().encode('\u0001"psql"'));
    expect(a.peek("h:1")).toBe("mine");
    await expect(cluster.run(a.getAt("h:1", cluster.clock.now()))).resolves.toBe("psql");
  });

  it("keeps versions of what transactions and writes of many wrote too", async () => {
    const { cluster, a } = await withStore();
    const began = cluster.clock.now();
    await cluster.run(a.setMany([["h:1", "many"]]));
    await cluster.clock.advance(1_000);
    await cluster.run(a.txn().set("h:1", "transaction").commit());
    await cluster.clock.advance(1_000);
    await cluster.run(a.delete("h:1"));
    await expect(cluster.run(a.getAt("h:1", began))).resolves.toBe("many");
    await expect(cluster.run(a.getAt("h:1", began + 1_000))).resolves.toBe("transaction");
    expect(await codeAt(cluster, a, began + 2_000)).toBe("NOT_FOUND");
  });

  it("does not wait for a store that never answers", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const a = await cluster.member("a", { store: store.port });
    store.faults.before = () => new Promise(() => undefined);
    expect((await cluster.failure(a.getAt("k:1", 0), 2_000)).code).toBe("DEADLINE_EXCEEDED");
  });

  it("of a store that keeps none is UNSUPPORTED at registration, and HISTORY_UNAVAILABLE for the past", async () => {
    const cluster = new Cluster();
    const a = await cluster.member("a", { store: withoutHistory(cluster.store()) });
    expect(() => a.register("h:*", { ttl: "1h", history: {} })).toThrow(
      expect.objectContaining({ code: "UNSUPPORTED", message: expect.stringContaining("history") }),
    );
    await cluster.run(a.set("k:1", 1));
    expect((await cluster.failure(a.getAt("k:1", cluster.clock.now() - 1))).code).toBe("HISTORY_UNAVAILABLE");
    await expect(cluster.run(a.getAt("k:1", cluster.clock.now()))).resolves.toBe(1);
  });

  it("of a store that keeps none is HISTORY_UNAVAILABLE for a value that has expired since, NOT_FOUND from then on", async () => {
    const cluster = new Cluster();
    const a = await cluster.member("a", { store: withoutHistory(cluster.store()) });
    a.register("h:*", { ttl: "1h", storeTtl: "10s" });
    const written = cluster.clock.now();
    await cluster.run(a.set("h:1", "gone"));
    await cluster.clock.advance(20_000);
    expect(await codeAt(cluster, a, written)).toBe("HISTORY_UNAVAILABLE");
    expect(await codeAt(cluster, a, written + 9_999)).toBe("HISTORY_UNAVAILABLE");
    expect(await codeAt(cluster, a, written + 10_000)).toBe("NOT_FOUND");
    expect(await codeAt(cluster, a, cluster.clock.now())).toBe("NOT_FOUND");
  });

  it("of a store that keeps none cannot tell what a key without a record was, unless it keeps all tombstones", async () => {
    const cluster = new Cluster();
    const a = await cluster.member("a", { store: withoutHistory(cluster.store()) });
    const before = cluster.clock.now() - 1_000;
    expect((await cluster.failure(a.getAt("k:1", before))).code).toBe("HISTORY_UNAVAILABLE");
    expect((await cluster.failure(a.getAt("k:1", cluster.clock.now()))).code).toBe("NOT_FOUND");
    const keeper = await cluster.member("b", { store: withoutHistory(cluster.store(), { conditionalDelete: false }) });
    expect((await cluster.failure(keeper.getAt("k:1", before))).code).toBe("NOT_FOUND");
  });
});

describe("getAt without a store", () => {
  it("answers with what this node saw", async () => {
    const { cluster, a } = withoutStore();
    const [one, two, three] = await setThree(cluster, a);
    await expect(cluster.run(a.getAt("h:1", one))).resolves.toBe("one");
    await expect(cluster.run(a.getAt("h:1", two - 1))).resolves.toBe("one");
    await expect(cluster.run(a.getAt("h:1", two))).resolves.toBe("two");
    await expect(cluster.run(a.getAt("h:1", three))).resolves.toBe("three");
    expect(await codeAt(cluster, a, one - 1)).toBe("HISTORY_UNAVAILABLE");
  });

  it("answers NOT_FOUND from a delete to the next value", async () => {
    const { cluster, a } = withoutStore();
    const [, , three] = await setThree(cluster, a);
    const deleted = cluster.clock.now();
    await cluster.run(a.delete("h:1"));
    await cluster.clock.advance(1_000);
    expect(await codeAt(cluster, a, deleted)).toBe("NOT_FOUND");
    expect(await codeAt(cluster, a, cluster.clock.now())).toBe("NOT_FOUND");
    await cluster.run(a.txn().set("h:1", "four").commit());
    await expect(cluster.run(a.getAt("h:1", cluster.clock.now()))).resolves.toBe("four");
    expect(await codeAt(cluster, a, deleted + 500)).toBe("NOT_FOUND");
    await expect(cluster.run(a.getAt("h:1", three))).resolves.toBe("three");
  });

  it("is HISTORY_UNAVAILABLE from a drop to the next local value, and still knows what was before", async () => {
    const { cluster, a } = withoutStore();
    const [, , three] = await setThree(cluster, a);
    for (const drop of [() => a.invalidate("h:1"), () => a.clear()]) {
      const dropped = cluster.clock.now();
      await cluster.run(drop());
      await cluster.clock.advance(1_000);
      expect(await codeAt(cluster, a, dropped)).toBe("HISTORY_UNAVAILABLE");
      expect(await codeAt(cluster, a, dropped + 999)).toBe("HISTORY_UNAVAILABLE");
      await expect(cluster.run(a.getAt("h:1", three))).resolves.toBe("three");
      await cluster.run(a.set("h:1", "next"));
      await expect(cluster.run(a.getAt("h:1", cluster.clock.now()))).resolves.toBe("next");
      expect(await codeAt(cluster, a, dropped + 500)).toBe("HISTORY_UNAVAILABLE");
      await cluster.clock.advance(1_000);
    }
  });

  it("is HISTORY_UNAVAILABLE from another node's change to the next local value", async () => {
    const cluster = new Cluster();
    const [a, b] = [cluster.node("a", { bus: cluster.bus() }), cluster.node("b", { bus: cluster.bus() })];
    for (const node of [a, b]) node.register("h:*", { ttl: "10h", history: {} });
    await cluster.run(Promise.all([a.ready(), b.ready()]));
    await cluster.settle();
    await cluster.run(a.set("h:1", "one"));
    const one = cluster.clock.now();
    await cluster.clock.advance(1_000);
    await cluster.run(b.set("h:1", "theirs"));
    await cluster.clock.advance(10);
    expect(await codeAt(cluster, a, cluster.clock.now())).toBe("HISTORY_UNAVAILABLE");
    await expect(cluster.run(a.getAt("h:1", one))).resolves.toBe("one");
  });

  it("is HISTORY_UNAVAILABLE from a suspicion on: something may have been missed", async () => {
    const cluster = new Cluster();
    const a = cluster.node("a", { bus: cluster.bus() });
    a.register("h:*", { ttl: "10h", history: {} });
    await cluster.run(a.ready());
    await cluster.settle();
    await cluster.run(a.set("h:1", "one"));
    const one = cluster.clock.now();
    await cluster.clock.advance(1_500);
    cluster.network.disconnect("a");
    await cluster.clock.advance(10);
    cluster.network.reconnect("a");
    const suspected = cluster.clock.now();
    await cluster.clock.advance(1_000);
    expect(await codeAt(cluster, a, suspected + 1_000)).toBe("HISTORY_UNAVAILABLE");
    await expect(cluster.run(a.getAt("h:1", one))).resolves.toBe("one");
    await cluster.run(a.set("h:1", "two"));
    await expect(cluster.run(a.getAt("h:1", cluster.clock.now()))).resolves.toBe("two");
  });

  it("is HISTORY_UNAVAILABLE from the registration of a pattern that takes the key over", async () => {
    const { cluster, a } = withoutStore();
    const [, , three] = await setThree(cluster, a);
    a.register("h:1", { ttl: "1h", history: {} });
    expect(await codeAt(cluster, a, cluster.clock.now())).toBe("HISTORY_UNAVAILABLE");
    await expect(cluster.run(a.getAt("h:1", three))).resolves.toBe("three");
  });

  it("forgets what it saw under a registration that has ended", async () => {
    const { cluster, a } = withoutStore();
    const [one] = await setThree(cluster, a);
    await cluster.run(a.unregister("h:*"));
    a.register("h:*", { ttl: "1h", history: {} });
    expect(await codeAt(cluster, a, one)).toBe("HISTORY_UNAVAILABLE");
  });

  it("keeps so many former versions, times of ignorance not counted", async () => {
    const { cluster, a } = withoutStore({ versions: 1 });
    const [one, two] = await setThree(cluster, a);
    expect(await codeAt(cluster, a, one)).toBe("HISTORY_UNAVAILABLE");
    await expect(cluster.run(a.getAt("h:1", two))).resolves.toBe("two");
    const three = cluster.clock.now() - 10_000;
    await cluster.run(a.invalidate("h:1"));
    await cluster.clock.advance(1_000);
    await cluster.run(a.set("h:1", "four"));
    await expect(cluster.run(a.getAt("h:1", three))).resolves.toBe("three");
    expect(await codeAt(cluster, a, two)).toBe("HISTORY_UNAVAILABLE");
  });

  it("keeps former versions so long", async () => {
    const { cluster, a } = withoutStore({ maxAge: 15_000 });
    const [one, two] = await setThree(cluster, a);
    expect(await codeAt(cluster, a, one)).toBe("HISTORY_UNAVAILABLE");
    await expect(cluster.run(a.getAt("h:1", two))).resolves.toBe("two");
  });

  it("knows what a loader made", async () => {
    const { cluster, a } = withoutStore();
    await cluster.run(a.getOrSet("h:1", () => "loaded"));
    await expect(cluster.run(a.getAt("h:1", cluster.clock.now()))).resolves.toBe("loaded");
  });

  it("knows nothing of keys that keep no history", async () => {
    const { cluster, a } = withoutStore();
    a.register("plain", { ttl: "1h" });
    await cluster.run(a.set("plain", 1));
    expect((await cluster.failure(a.getAt("plain", cluster.clock.now()))).code).toBe("HISTORY_UNAVAILABLE");
  });
});
