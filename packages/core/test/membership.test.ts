import { describe, expect, it } from "@jest/globals";
import type { Warp, WarpError, WarpOptions } from "../src/index.ts";
import { Cluster, watched } from "./support/cluster.ts";
import { failOnUnhandledRejections } from "./support/outcomes.ts";

failOnUnhandledRejections();

/** Whether `b` hears what `a` changes. */
const hears = async (cluster: Cluster, a: Warp, b: Warp): Promise<boolean> => {
  await cluster.clock.advance(3_000);
  await cluster.run(b.set("k:1", "old"));
  await cluster.clock.advance(100);
  await cluster.run(b.get("k:1"));
  await cluster.run(a.set("k:1", "new"));
  await cluster.clock.advance(100);
  return b.peek("k:1") === undefined;
};

const pair = async (one: WarpOptions, other: WarpOptions) => {
  const cluster = new Cluster();
  return { cluster, a: await cluster.member("a", one), b: await cluster.member("b", other) };
};

const secret = "0123456789abcdef";

describe("a cluster", () => {
  it("is the nodes of one name on one bus", async () => {
    const { cluster, a, b } = await pair({ cluster: "blue" }, { cluster: "blue" });
    expect(await hears(cluster, a, b)).toBe(true);
    expect([...a.nodes()].sort()).toEqual(["a", "b"]);
    expect(b.nodes()[0]).toBe("b");
    expect(b.status().members).toBe(1);
  });

  it("does not hear another one on the same bus", async () => {
    const { cluster, a, b } = await pair({ cluster: "blue" }, { cluster: "green" });
    expect(await hears(cluster, a, b)).toBe(false);
    expect(a.nodes()).toEqual(["a"]);
    expect(b.status().ports.bus).toBe("up");
  });

  it("of one secret hears itself, whether that is a string or bytes", async () => {
    const { cluster, a, b } = await pair({ secret }, { secret: new TextEncoder().encode(secret) });
    expect(await hears(cluster, a, b)).toBe(true);
  });

  it("with a secret refuses frames that another one signed, or nobody", async () => {
    for (const other of [{ secret: "another secret of its own" }, {}]) {
      const { cluster, a, b } = await pair(other, { secret });
      expect(await hears(cluster, a, b)).toBe(false);
      expect(b.nodes()).toEqual(["b"]);
      expect(b.status().ports.bus).toBe("up");
    }
  });

  it("can be given a secret node by node: those without one hear those with one", async () => {
    const { cluster, a, b } = await pair({ secret }, {});
    expect(await hears(cluster, a, b)).toBe(true);
  });

  it("does not act on bytes that are no frames", async () => {
    const { cluster, a, b } = await pair({}, {});
    await cluster.run(b.set("k:1", "kept"));
    await cluster.clock.advance(100);
    const stranger = cluster.bus();
    await stranger.subscribe("stranger", { onFrame: () => undefined, onGap: () => undefined });
    for (const bytes of [[], [0x57], [0x57, 9, 1], Array.from({ length: 300 }, (_, index) => index % 256)])
      await stranger.publish(new Uint8Array(bytes));
    await cluster.clock.advance(100);
    expect(b.peek("k:1")).toBe("kept");
    expect(await hears(cluster, a, b)).toBe(true);
  });

  it("of a node alone on its bus is that node", async () => {
    const cluster = new Cluster();
    const a = await cluster.member("a");
    await cluster.clock.advance(10_000);
    expect(a.nodes()).toEqual(["a"]);
    expect(a.status().ports.bus).toBe("up");
  });
});

describe("two live nodes of one name", () => {
  it("are reported, on both of them, once each", async () => {
    const cluster = new Cluster();
    const [one, other] = [await cluster.member("twin"), await cluster.member("twin")];
    const reported: (readonly [Warp, WarpError])[] = [];
    const follow = async (warp: Warp): Promise<void> => {
      for await (const error of warp.publishErrors()) reported.push([warp, error]);
    };
    const following = [follow(one), follow(other)];
    await cluster.clock.advance(30_000);
    for (const warp of [one, other]) {
      const own = reported.filter(([of]) => of === warp).map(([, error]) => error);
      expect(own).toHaveLength(1);
      expect(own[0]).toMatchObject({ code: "INVALID_ARGUMENT", port: "bus" });
      expect(own[0]?.message).toContain('"twin"');
    }
    for (const warp of [one, other]) await cluster.run(warp.close());
    await cluster.run(Promise.all(following));
  });

  it("are not what a node is that was restarted", async () => {
    const cluster = new Cluster();
    const b = await cluster.member("b");
    const first = await cluster.member("a");
    await cluster.clock.advance(3_000);
    await cluster.run(first.close());
    const second = await cluster.member("a");
    await cluster.clock.advance(30_000);
    await cluster.run(Promise.all([b.close(), second.close()]));
    for (const warp of [b, second]) {
      const errors: WarpError[] = [];
      for await (const error of warp.publishErrors()) errors.push(error);
      expect(errors).toEqual([]);
    }
  });

  it("still tell each other of changes", async () => {
    const cluster = new Cluster();
    const [one, other] = [await cluster.member("twin"), await cluster.member("twin")];
    expect(await hears(cluster, one, other)).toBe(true);
  });
});

describe("the status of a node", () => {
  it("says how its store is: up, down while the breaker is open, up again", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const a = await cluster.member("a", { store: store.port });
    expect(a.status().ports).toMatchObject({ store: "up", bus: "up", sharedCache: "absent", localCache: "up" });
    store.faults.before = async () => {
      throw new Error("down");
    };
    for (let count = 0; count < 5; count++) await cluster.failure(a.get("k:1"));
    expect(a.status().ports.store).toBe("down");
    store.faults.before = undefined;
    await cluster.clock.advance(15_000);
    expect(a.status().ports.store).toBe("up");
  });

  it("says that its bus is down when not even its own frames come back", async () => {
    const cluster = new Cluster();
    const a = await cluster.member("a");
    cluster.network.disconnect("a");
    await cluster.clock.advance(4_000);
    expect(a.status().ports.bus).toBe("down");
    cluster.network.reconnect("a");
    await cluster.clock.advance(4_000);
    expect(a.status().ports.bus).toBe("up");
  });
});
