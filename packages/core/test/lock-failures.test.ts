import { describe, expect, it } from "@jest/globals";
import { type Lock, type Warp, WarpError } from "../src/index.ts";
import { Cluster, gate, type Watched, watched } from "./support/cluster.ts";
import { failOnUnhandledRejections } from "./support/outcomes.ts";

failOnUnhandledRejections();

interface World {
  readonly cluster: Cluster;
  readonly a: Warp;
  readonly b: Warp;
  /** The store as node a sees it. */
  readonly store: Watched<ReturnType<Cluster["store"]>>;
}

const world = async (): Promise<World> => {
  const cluster = new Cluster();
  const store = watched(cluster.store());
  const a = await cluster.member("a", { store: store.port });
  const b = await cluster.member("b");
  for (const warp of [a, b]) warp.register("s:*", { mode: "strong-distributed", ttl: "1h" });
  await cluster.clock.advance(2_400);
  return { cluster, a, b, store };
};

const ofCommit =
  (opened: Promise<void>) =>
  (method: string): Promise<void> | undefined =>
    method === "commit" ? opened : undefined;

/** Runs `call` until its caller gives up, with the commit kept before or after it lands; `open` lets it go on. */
const giveUp = async (
  { cluster, store }: World,
  kept: "before" | "after",
  call: (signal: AbortSignal) => Promise<unknown>,
): Promise<{ readonly error: WarpError; readonly open: () => void }> => {
  const { opened, open } = gate();
  store.faults[kept] = ofCommit(opened);
  const controller = new AbortController();
  const calling = call(controller.signal);
  await cluster.settle();
  controller.abort();
  const error = await cluster.failure(calling);
  store.faults[kept] = undefined;
  return { error, open };
};

const renewal =
  (lock: Lock) =>
  (signal: AbortSignal): Promise<void> =>
    lock.renew({ signal });

describe("a lock whose renewal has an unknown outcome", () => {
  it.each(["before", "after"] as const)("can be released while it is kept %s it lands", async (kept) => {
    const all = await world();
    const { cluster, a, b } = all;
    const lock = await cluster.run(a.lock("s:1", { ttl: "1h" }));
    const { error, open } = await giveUp(all, kept, renewal(lock));
    expect([error.code, error.key, error.operation]).toEqual(["OUTCOME_UNKNOWN", "s:1", "renewLock"]);
    expect(await cluster.run(lock.release())).toBe(true);
    const next = await cluster.run(b.lock("s:1", { ttl: "1h" }));
    open();
    await cluster.clock.advance(30_000);
    expect([next.signal.aborted, next.token > lock.token]).toEqual([false, true]);
    expect(await cluster.run(next.release())).toBe(true);
  });

  it.each(["before", "after"] as const)("can be renewed again while it is kept %s it lands", async (kept) => {
    const all = await world();
    const { cluster, a } = all;
    const lock = await cluster.run(a.lock("s:1", { ttl: "10s" }));
    const { error, open } = await giveUp(all, kept, renewal(lock));
    expect(error.code).toBe("OUTCOME_UNKNOWN");
    await cluster.clock.advance(1_000);
    await cluster.run(lock.renew({ ttl: "1m" }));
    open();
    await cluster.clock.advance(50_000);
    expect(lock.signal.aborted).toBe(false);
    await cluster.run(lock.renew());
    expect(await cluster.run(lock.release())).toBe(true);
  });

  it("counts its time anew once that renewal is found to have landed", async () => {
    const all = await world();
    const { cluster, a } = all;
    const lock = await cluster.run(a.lock("s:1", { ttl: "10s" }));
    await cluster.clock.advance(5_000);
    const { open } = await giveUp(all, "after", renewal(lock));
    open();
    await cluster.clock.advance(9_000);
    expect(lock.signal.aborted).toBe(false);
    await cluster.clock.advance(1_001);
    expect(lock.signal.aborted).toBe(true);
  });
});

describe("a lock", () => {
  it("whose release has an unknown outcome can be released again", async () => {
    const all = await world();
    const { cluster, a, b } = all;
    const lock = await cluster.run(a.lock("s:1", { ttl: "1h" }));
    const { opened, open } = gate();
    all.store.faults.after = (name) => (name === "now" ? undefined : opened);
    const error = await cluster.failure(lock.release(), 60_000);
    expect([error.code, error.key]).toEqual(["OUTCOME_UNKNOWN", "s:1"]);
    all.store.faults.after = undefined;
    expect(await cluster.run(lock.release())).toBe(true);
    open();
    expect((await cluster.run(b.lock("s:1", { ttl: "1h" }))).token).toBeGreaterThan(lock.token);
  });

  it("that is granted in the moment its caller leaves is given back", async () => {
    const { cluster, a, b, store } = await world();
    // Each step on the way of the store's reply is a moment in which the caller may leave.
    for (let steps = 0; steps < 40; steps++) {
      const key = `s:${steps}`;
      const controller = new AbortController();
      const outcome = a.lock(key, { ttl: "1h", signal: controller.signal }).then(
        (lock) => lock,
        () => undefined,
      );
      const { opened, open } = gate();
      store.faults.after = ofCommit(opened);
      await cluster.settle();
      store.faults.after = undefined;
      open();
      for (let step = 0; step < steps; step++) await Promise.resolve();
      controller.abort();
      const lock = await cluster.run(outcome);
      const next = await cluster.run(
        b.lock(key, { ttl: "1s", hardTimeout: "5s" }).catch(() => undefined),
        6_000,
      );
      expect([steps, lock === undefined]).toEqual([steps, next !== undefined]);
    }
  });

  it("that has ended is not renewed, whether there is a quorum or not", async () => {
    const { cluster, a } = await world();
    const [released, expired] = [
      await cluster.run(a.lock("s:1", { ttl: "1m" })),
      await cluster.run(a.lock("s:2", { ttl: "1s" })),
    ];
    const held = await cluster.run(a.lock("s:3", { ttl: "1h" }));
    await cluster.run(released.release());
    await cluster.clock.advance(1_000);
    cluster.network.faults.drop = ({ from, to }) => from !== to;
    const began = cluster.clock.monotonic();
    expect((await cluster.failure(released.renew())).code).toBe("LEASE_ENDED");
    expect((await cluster.failure(expired.renew())).code).toBe("LEASE_ENDED");
    await cluster.run(a.close());
    expect((await cluster.failure(held.renew())).code).toBe("CLOSED");
    expect(cluster.clock.monotonic() - began).toBeLessThan(100);
  });

  it("is what every error of its calls is about, not the record that it is kept in", async () => {
    const { cluster, a, store } = await world();
    const lock = await cluster.run(a.lock("s:1", { ttl: "1h" }));
    const told = async (call: Promise<unknown>): Promise<unknown> => {
      const { code, key, operation, message } = await cluster.failure(call, 60_000);
      expect(message).not.toContain("warp:");
      return [code, key, operation];
    };
    cluster.network.faults.drop = ({ from, to }) => from !== to;
    expect(await told(a.lock("s:2", { ttl: "1h" }))).toEqual(["QUORUM_NOT_SATISFIED", "s:2", "lock"]);
    expect(await told(lock.renew())).toEqual(["QUORUM_NOT_SATISFIED", "s:1", "renewLock"]);
    cluster.network.faults.drop = undefined;
    await cluster.clock.advance(2_400);
    const refuse = (name: string): Promise<void> | undefined =>
      name === "now" ? undefined : Promise.reject(new WarpError("UNAVAILABLE", "out of order"));
    store.faults.before = refuse;
    expect(await told(a.lock("s:2", { ttl: "1h" }))).toEqual(["UNAVAILABLE", "s:2", "lock"]);
    expect(await told(a.set("s:2", 1))).toEqual(["UNAVAILABLE", "s:2", "set"]);
    store.faults.before = (name) => (name === "now" ? undefined : Promise.reject(new Error("gone")));
    expect(await told(a.lock("s:2", { ttl: "1h" }))).toEqual(["UNAVAILABLE", "s:2", "lock"]);
  });
});

describe("a commit that shares its round trip", () => {
  it("tells of its own key and call, however little the store's error says", async () => {
    const { cluster, a, store } = await world();
    a.register("e:*", { mode: "eventual-distributed", ttl: "1h" });
    const lease = await cluster.run(a.grantLease({ ttl: "1h" }));
    store.faults.before = (name) =>
      name === "commit" ? Promise.reject(new WarpError("UNAVAILABLE", "out of order")) : undefined;
    const told = async (call: Promise<unknown>): Promise<unknown> => {
      const { code, key, operation } = await cluster.failure(call);
      return [code, key, operation];
    };
    const calls = [a.attachKey(lease, "e:1"), a.attachKey(lease, "e:2")] as const;
    expect(await told(calls[0])).toEqual(["UNAVAILABLE", "e:1", "attachKey"]);
    expect(await told(calls[1])).toEqual(["UNAVAILABLE", "e:2", "attachKey"]);
  });
});
