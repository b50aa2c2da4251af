import { describe, expect, it } from "@jest/globals";
import { type Lock, type NodesChange, type Warp, WarpError, type WarpOptions } from "../src/index.ts";
import { Cluster, gate, watched } from "./support/cluster.ts";
import { failOnUnhandledRejections } from "./support/outcomes.ts";

failOnUnhandledRejections();

const node = async (cluster: Cluster, name: string, options: WarpOptions = {}): Promise<Warp> => {
  const warp = await cluster.member(name, options);
  warp.register("s:*", { mode: "strong-distributed", ttl: "1h" });
  await cluster.clock.advance(1_200);
  return warp;
};

const pair = async () => {
  const cluster = new Cluster();
  const [a, b] = [await node(cluster, "a"), await node(cluster, "b")];
  await cluster.clock.advance(1_200);
  return { cluster, a, b };
};

/** Whether `promise` has settled by now. */
const watch = (promise: Promise<unknown>): { settled: boolean } => {
  const state = { settled: false };
  const note = (): void => {
    state.settled = true;
  };
  promise.then(note, note);
  return state;
};

describe("a lock", () => {
  it("is held by one at a time, and handed on when it is released", async () => {
    const { cluster, a, b } = await pair();
    const first = await cluster.run(a.lock("s:1", { ttl: "1m" }));
    const waiting = b.lock("s:1", { ttl: "1m" });
    const local = a.lock("s:1", { ttl: "1m" });
    const [atB, atA] = [watch(waiting), watch(local)];
    await cluster.clock.advance(5_000);
    expect([atB.settled, atA.settled]).toEqual([false, false]);
    expect(await cluster.run(first.release())).toBe(true);
    await cluster.clock.advance(50);
    expect([atB.settled, atA.settled].filter(Boolean)).toHaveLength(1);
    const second = await cluster.run(Promise.race([waiting, local]));
    expect(second.token).toBeGreaterThan(first.token);
    await cluster.run(second.release());
    const third = await cluster.run(atB.settled && second === (await waiting) ? local : waiting);
    expect(third.token).toBeGreaterThan(second.token);
    expect(typeof third.token).toBe("bigint");
  });

  it("whose holder does not release it is taken over once its time is over, by a larger token", async () => {
    const { cluster, a, b } = await pair();
    const stale = await cluster.run(a.lock("s:1", { ttl: "10s" }));
    const began = cluster.clock.monotonic();
    const next = await cluster.run(b.lock("s:1", { ttl: "10s" }));
    expect(cluster.clock.monotonic() - began).toBeLessThan(10_100);
    expect(stale.signal.aborted).toBe(true);
    expect(WarpError.has(stale.signal.reason, "LEASE_ENDED")).toBe(true);
    expect(next.token).toBeGreaterThan(stale.token);
    expect((await cluster.failure(stale.renew())).code).toBe("LEASE_ENDED");
    expect(await cluster.run(stale.release())).toBe(false);
    expect(next.signal.aborted).toBe(false);
    expect((await cluster.failure(a.lock("s:1", { ttl: "1s", hardTimeout: 50 }))).code).toBe("DEADLINE_EXCEEDED");
    expect(await cluster.run(next.release())).toBe(true);
    expect(await cluster.run(next.release())).toBe(false);
  });

  it("that is renewed lasts, under the token it was granted with", async () => {
    const { cluster, a, b } = await pair();
    const lock = await cluster.run(a.lock("s:1", { ttl: "10s" }));
    const { token } = lock;
    const waiting = watch(b.lock("s:1", { ttl: "10s" }));
    for (let round = 0; round < 5; round++) {
      await cluster.clock.advance(8_000);
      await cluster.run(lock.renew());
    }
    expect([waiting.settled, lock.signal.aborted, lock.token]).toEqual([false, false, token]);
    await cluster.clock.advance(10_100);
    expect([waiting.settled, lock.signal.aborted]).toEqual([true, true]);
  });

  it("is not given without a quorum, nor renewed; but it can be released", async () => {
    const { cluster, a } = await pair();
    const lock = await cluster.run(a.lock("s:1", { ttl: "1m" }));
    cluster.network.faults.drop = ({ from, to }) => from !== to;
    expect((await cluster.failure(a.lock("s:2", { ttl: "1m" }))).code).toBe("QUORUM_NOT_SATISFIED");
    expect((await cluster.failure(lock.renew())).code).toBe("QUORUM_NOT_SATISFIED");
    expect(lock.signal.aborted).toBe(false);
    expect(await cluster.run(lock.release())).toBe(true);
  });

  it("of which the release was lost is found free at the next heartbeat", async () => {
    const { cluster, a, b } = await pair();
    const lock = await cluster.run(a.lock("s:1", { ttl: "1h" }));
    const waiting = watch(b.lock("s:1", { ttl: "1h" }));
    await cluster.settle();
    let lose = true;
    cluster.network.faults.drop = ({ from, to }) => lose && from === "a" && to === "b";
    await cluster.run(lock.release());
    await cluster.settle();
    lose = false;
    expect(waiting.settled).toBe(false);
    await cluster.clock.advance(1_100);
    expect(waiting.settled).toBe(true);
  });

  it("is released at the end of a block that uses it", async () => {
    const { cluster, a, b } = await pair();
    const used = async (): Promise<bigint> => {
      await using lock = await a.lock("s:1", { ttl: "1h" });
      return lock.token;
    };
    const token = await cluster.run(used());
    expect((await cluster.run(b.lock("s:1", { ttl: "1h" }))).token).toBeGreaterThan(token);
  });

  it("whose caller gives up is not taken behind its back", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const a = await node(cluster, "a", { store: store.port });
    const b = await node(cluster, "b");
    const held = await cluster.run(b.lock("s:1", { ttl: "1h" }));
    const controller = new AbortController();
    const waiting = a.lock("s:1", { ttl: "1h", signal: controller.signal });
    await cluster.settle();
    controller.abort();
    expect((await cluster.failure(waiting)).code).toBe("ABORTED");
    await cluster.run(held.release());
    // Given up while the grant is on its way: it is given back.
    const { opened, open } = gate();
    store.faults.after = (method) => (method === "commit" ? opened : undefined);
    const late = new AbortController();
    const granted = a.lock("s:1", { ttl: "1h", signal: late.signal });
    await cluster.settle();
    late.abort();
    expect((await cluster.failure(granted)).code).toBe("OUTCOME_UNKNOWN");
    store.faults.after = undefined;
    open();
    const again = await cluster.run(b.lock("s:1", { ttl: "1h" }), 5_000);
    expect(again.signal.aborted).toBe(false);
  });

  it("ends on this node when that closes, and can still be released", async () => {
    const { cluster, a, b } = await pair();
    const lock: Lock = await cluster.run(a.lock("s:1", { ttl: "1h" }));
    await cluster.run(a.close());
    await cluster.settle();
    expect(b.nodes()).toEqual(["b"]);
    expect(lock.signal.aborted).toBe(true);
    expect(await cluster.run(lock.release())).toBe(true);
    expect((await cluster.run(b.lock("s:1", { ttl: "1h" }))).token).toBeGreaterThan(lock.token);
  });

  it("is not waited for on a node that closes: CLOSED, whoever's turn it was", async () => {
    const { cluster, a, b } = await pair();
    await cluster.run(b.lock("s:1", { ttl: "1h" }));
    const waiting = [1, 2].map(() => cluster.failure(a.lock("s:1", { ttl: "1h" })));
    await cluster.clock.advance(5_000);
    await cluster.run(a.close());
    await cluster.settle();
    for (const failure of waiting) expect((await failure).code).toBe("CLOSED");
  });

  it("is for strong keys, and asks for a finite time", async () => {
    const { cluster, a } = await pair();
    expect((await cluster.failure(a.lock("k:1", { ttl: "1s" }))).code).toBe("UNSUPPORTED");
    expect((await cluster.failure(a.lock("x", { ttl: "1s" }))).code).toBe("UNREGISTERED");
    for (const ttl of [Number.POSITIVE_INFINITY, 0, "soon" as never])
      expect((await cluster.failure(a.lock("s:1", { ttl }))).code).toBe("INVALID_ARGUMENT");
    expect((await cluster.failure(a.lock("s:1", { ttl: "1s", when: 1 } as never))).code).toBe("INVALID_ARGUMENT");
  });
});

describe("onNodesChanged", () => {
  it("tells who joined and who left, whatever a listener throws, until it is ended", async () => {
    const cluster = new Cluster();
    const a = await node(cluster, "a");
    const changes: NodesChange[] = [];
    a.onNodesChanged(() => {
      throw new Error("a listener's own");
    });
    const end = a.onNodesChanged((change) => changes.push(change));
    const b = await node(cluster, "b");
    expect(changes).toEqual([{ nodes: ["a", "b"], joined: ["b"], left: [] }]);
    await cluster.run(b.close());
    await cluster.settle();
    expect(changes[1]).toEqual({ nodes: ["a"], joined: [], left: ["b"] });
    end();
    await node(cluster, "c");
    expect(changes).toHaveLength(2);
    expect(() => a.onNodesChanged(1 as never)).toThrow("listener must be a function");
    await cluster.run(a.close());
    expect(() => a.onNodesChanged(() => undefined)).toThrow("closed");
  });
});
