import { describe, expect, it } from "@jest/globals";
import { Cluster, never, watched } from "./support/cluster.ts";
import { failOnUnhandledRejections } from "./support/outcomes.ts";

failOnUnhandledRejections();

const setUp = async () => {
  const cluster = new Cluster();
  const store = watched(cluster.store());
  const shared = watched(cluster.sharedCache());
  const bus = watched(cluster.bus());
  const a = await cluster.member("a", { store: store.port, sharedCache: shared.port, bus: bus.port });
  await cluster.clock.advance(5_000);
  for (const { calls } of [store, shared, bus]) calls.length = 0;
  return { cluster, store, shared, bus, a };
};

const many = (count: number, value: (index: number) => unknown = (index) => index) =>
  Array.from({ length: count }, (_, index) => [`k:${index}`, value(index)] as const);

describe("setMany", () => {
  it("writes however many new keys in one commit, one drop of the shared tier and one frame", async () => {
    const { cluster, store, shared, bus, a } = await setUp();
    const result = await cluster.run(a.setMany(many(500)));
    expect(result).toEqual(new Map(many(500)));
    await cluster.settle();
    expect(store.calls).toEqual(["commit"]);
    expect(shared.calls).toEqual(["drop"]);
    expect(bus.calls).toEqual(["publish"]);
    expect(cluster.stored("k:499")).toBe(499);
    expect(a.peek("k:499")).toBe(499);
  });

  it("sends again only those that lost a race", async () => {
    const { cluster, store, a } = await setUp();
    const b = await cluster.member("b");
    await cluster.run(b.setMany(many(10, () => "theirs")));
    await cluster.settle();
    await cluster.run(a.setMany(many(100)));
    expect(store.calls.filter((method) => method === "commit").length).toBeLessThanOrEqual(3);
    for (const [key, value] of many(100)) expect(cluster.stored(key)).toBe(value);
  });

  it("merges, and resolves the values as stored", async () => {
    const { cluster, a } = await setUp();
    const b = await cluster.member("b");
    await cluster.run(b.set("n:1", 10));
    const result = await cluster.run(a.setMany([["n:1", 1] as const, ["n:2", 2] as const]));
    expect(result).toEqual(
      new Map([
        ["n:1", 11],
        ["n:2", 2],
      ]),
    );
  });

  it("counts once for each key though the reply of the commit is lost", async () => {
    const { cluster, store, a } = await setUp();
    let lost = 0;
    store.faults.after = async (method) => {
      if (method === "commit" && lost++ === 0) throw new Error("connection reset");
    };
    await cluster.run(a.setMany([["n:1", 1] as const, ["n:2", 2] as const]));
    expect([cluster.stored("n:1"), cluster.stored("n:2")]).toEqual([1, 2]);
    expect(cluster.data.current("n:1")?.operations).toHaveLength(1);
  });

  it("whose keys fail differently is OUTCOME_UNKNOWN as soon as one is: not to be repeated blindly", async () => {
    const { cluster, store, a } = await setUp();
    store.faults.before = (method) => (method === "commit" ? never : undefined);
    const entries = [["k:1", 1n] as const, ["k:2", 2] as const, ["x:1", 3] as const];
    const error = await cluster.failure(a.setMany(entries, { hardTimeout: 100 }));
    expect([...(error.errors ?? [])].map(([key, { code }]) => [key, code])).toEqual([
      ["k:1", "INVALID_VALUE"],
      ["k:2", "OUTCOME_UNKNOWN"],
      ["x:1", "UNREGISTERED"],
    ]);
    expect(error.code).toBe("OUTCOME_UNKNOWN");
  });

  it("reports the failure of each key in one error, and writes the others", async () => {
    const { cluster, a } = await setUp();
    const error = await cluster.failure(
      a.setMany([
        ["k:1", 1],
        ["other", 2],
        ["k:2", Number.NaN],
        ["k:*", 3],
      ]),
    );
    expect([...(error.errors ?? [])].map(([key, { code }]) => [key, code])).toEqual([
      ["other", "UNREGISTERED"],
      ["k:2", "INVALID_VALUE"],
      ["k:*", "INVALID_ARGUMENT"],
    ]);
    expect(error.operation).toBe("setMany");
    expect(cluster.stored("k:1")).toBe(1);
  });

  it("has the code that all keys failed with", async () => {
    const { cluster, store, a } = await setUp();
    store.faults.before = () => new Promise(() => undefined);
    const error = await cluster.failure(a.setMany(many(3), { hardTimeout: 50 }), 50);
    expect(error.code).toBe("OUTCOME_UNKNOWN");
    expect(error.errors?.size).toBe(3);
  });

  it("takes the last of several values for one key, and nothing from nothing", async () => {
    const { cluster, a } = await setUp();
    await cluster.run(a.setMany([["k:1", 1] as const, ["k:1", 2] as const]));
    expect(cluster.stored("k:1")).toBe(2);
    await expect(cluster.run(a.setMany([]))).resolves.toEqual(new Map());
  });

  it("takes any iterable", async () => {
    const { cluster, a } = await setUp();
    await cluster.run(a.setMany(new Map([["k:1", 1]])));
    expect(cluster.stored("k:1")).toBe(1);
  });

  it("writes one by one where the store has no atomic batches", async () => {
    const cluster = new Cluster();
    const target = cluster.store();
    const port = new Proxy(target, {
      get: (_, name) => {
        if (name === "atomicBatch") return false;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    const a = await cluster.member("a", { store: port });
    await cluster.run(a.setMany(many(5)));
    for (const [key, value] of many(5)) expect(cluster.stored(key)).toBe(value);
  });

  it("goes into the local tier alone for strong-local keys", async () => {
    const { cluster, store, a } = await setUp();
    a.register("l:*", { mode: "strong-local", ttl: "1h" });
    store.faults.before = () => new Promise(() => undefined);
    await cluster.run(a.setMany([["l:1", 1] as const, ["l:2", 2] as const]), 0);
    expect(a.peek("l:2")).toBe(2);
  });
});
