import { describe, expect, it } from "@jest/globals";
import type { Warp, WarpOptions } from "../src/index.ts";
import { decodeFrame } from "../src/wire/frame.ts";
import type { FrameBody } from "../src/wire/frame-body.ts";
import { Cluster, type Watched, watched } from "./support/cluster.ts";
import { failOnUnhandledRejections } from "./support/outcomes.ts";

failOnUnhandledRejections();

/** What a node publishes but heartbeats, as it hands it to the transport: refused frames too. */
const listen = <T extends object>(bus: Watched<T>): FrameBody[][] => {
  const heard: FrameBody[][] = [];
  const { before } = bus.faults;
  bus.faults.before = (method, parameters) => {
    if (method === "publish") {
      const decoded = decodeFrame(parameters[0] as Uint8Array);
      const bodies = "frame" in decoded ? decoded.frame.bodies : [];
      if (bodies.some(({ kind }) => kind !== "heartbeat")) heard.push([...bodies]);
    }
    return before?.(method, parameters);
  };
  return heard;
};

const keysOf = (bodies: readonly FrameBody[]): readonly string[] =>
  bodies.flatMap((body) => (body.kind === "drop" ? body.keys : []));

const setUp = async (options: WarpOptions = {}) => {
  const cluster = new Cluster();
  const bus = watched(cluster.bus());
  const a = await cluster.member("a", { bus: bus.port, ...options });
  const frames = listen(bus);
  return { cluster, bus, a, frames };
};

const untilClosed = async (cluster: Cluster, warp: Warp): Promise<void> => {
  for (let waited = 0; waited < 30_000 && warp.status().ports.sharedCache !== "up"; waited += 10)
    await cluster.clock.advance(10);
  expect(warp.status().ports.sharedCache).toBe("up");
};

describe("invalidations", () => {
  it("of one commit travel in one frame, without values", async () => {
    const { cluster, bus, a, frames } = await setUp();
    const sent: Uint8Array[] = [];
    const { before } = bus.faults;
    bus.faults.before = (method, parameters) => {
      if (method === "publish") sent.push(parameters[0] as Uint8Array);
      return before?.(method, parameters);
    };
    await cluster.run(a.txn().set("k:1", "secret-value").set("k:2", "secret-value").commit());
    await cluster.settle();
    expect(frames).toHaveLength(1);
    expect(keysOf(frames[0] ?? [])).toEqual(["k:1", "k:2"]);
    for (const frame of sent) expect(Buffer.from(frame).includes("secret-value")).toBe(false);
  });

  it("that come together, or while a frame is on its way, are batched", async () => {
    const { cluster, bus, a, frames } = await setUp();
    await cluster.run(Promise.all(Array.from({ length: 100 }, (_, index) => a.set(`k:${index}`, index))));
    await cluster.settle();
    expect(frames.length).toBeLessThanOrEqual(2);
    expect(frames.flatMap(keysOf)).toHaveLength(100);
    frames.length = 0;
    let release = (): void => undefined;
    bus.faults.after = () => new Promise<void>((resolve) => (release = resolve));
    for (let index = 0; index < 50; index++) await cluster.run(a.set(`k:${index}`, "again"));
    bus.faults.after = undefined;
    release();
    await cluster.settle();
    expect(frames).toHaveLength(2);
    expect(keysOf(frames[1] ?? [])).toHaveLength(49);
  });

  it("are split over frames that the transport takes", async () => {
    const cluster = new Cluster();
    const bus = watched(cluster.bus());
    const a = await cluster.member("a", { bus: bus.port });
    const b = await cluster.member("b");
    const long = "x".repeat(900);
    const entries = Array.from({ length: 200 }, (_, index) => [`k:${long}${index}`, index] as const);
    await cluster.run(b.setMany(entries));
    await cluster.settle();
    for (const [key] of entries) await cluster.run(b.get(key));
    const frames = listen(bus);
    await cluster.run(a.setMany(entries.map(([key]) => [key, "new"] as const)));
    await cluster.settle();
    expect(frames.length).toBeGreaterThan(2);
    for (const [key] of entries) expect(b.peek(key)).toBeUndefined();
  });

  it("while the bus is down wait in one slot per key, and arrive when it is back", async () => {
    const { cluster, a, frames } = await setUp();
    const b = await cluster.member("b");
    for (const key of ["k:1", "k:2", "k:3"]) {
      await cluster.run(b.set(key, "old"));
    }
    await cluster.settle();
    for (const key of ["k:1", "k:2", "k:3"]) await cluster.run(b.get(key));
    cluster.network.disconnect("a");
    for (let count = 0; count < 100; count++) {
      await cluster.run(a.set("k:1", count));
      await cluster.run(a.set("k:2", count));
    }
    expect(a.status().outbox).toBeLessThanOrEqual(3);
    expect(b.peek("k:1")).toBe("old");
    cluster.network.reconnect("a");
    await cluster.clock.advance(5_000);
    expect(a.status().outbox).toBe(0);
    expect(b.peek("k:1")).toBeUndefined();
    await expect(cluster.run(b.get("k:1"))).resolves.toBe(99);
    await expect(cluster.run(b.get("k:2"))).resolves.toBe(99);
    expect(frames.length).toBeGreaterThan(1);
  });

  it("that are too many to wait become one DropAll", async () => {
    const { cluster, a, frames } = await setUp();
    const b = await cluster.member("b");
    await cluster.run(b.set("k:other", "old"));
    await cluster.settle();
    cluster.network.disconnect("a");
    await cluster.run(a.invalidate("k:first"));
    for (let index = 0; index < 10_001; index++) void a.invalidate(`k:${index}`);
    await cluster.settle();
    expect(a.status().outbox).toBeLessThanOrEqual(2);
    frames.length = 0;
    cluster.network.reconnect("a");
    await cluster.clock.advance(5_000);
    expect(frames.flat().filter(({ kind }) => kind === "drop-all")).toHaveLength(1);
    expect(b.peek("k:other")).toBeUndefined();
    expect(a.status().outbox).toBe(0);
  });

  it("of a burst of attaches wait beside them, none of them lost, until there are too many", async () => {
    const cluster = new Cluster();
    const bus = watched(cluster.bus());
    const frames = listen(bus);
    // Without a store attaches are told, not written.
    const a = cluster.node("a", { bus: bus.port });
    a.register("k:*", { ttl: "1h" });
    await cluster.run(a.ready());
    const lease = await cluster.run(a.grantLease({ ttl: "1h" }));
    await cluster.settle();
    const attachMany = (name: string, count: number) =>
      Promise.all(Array.from({ length: count }, (_, index) => a.attachKey(lease, `k:${name}${index}`)));
    for (const [count, dropAlls, attached] of [
      [9_000, 0, 9_000],
      [10_500, 1, 499],
    ] as const) {
      cluster.network.disconnect("a");
      await cluster.run(attachMany(`${count}/`, count), 60_000);
      expect(a.status().outbox).toBeLessThanOrEqual(10_001);
      frames.length = 0;
      cluster.network.reconnect("a");
      await cluster.clock.advance(10_000);
      const sent = frames.flat();
      expect(sent.filter(({ kind }) => kind === "drop-all")).toHaveLength(dropAlls);
      expect(sent.filter(({ kind }) => kind === "attach").length).toBeGreaterThanOrEqual(attached);
    }
  });

  it("are sent again until the transport has taken them, under the number they had", async () => {
    const { cluster, bus, a } = await setUp();
    const numbers: number[] = [];
    let refused = 0;
    bus.faults.before = async (method, parameters) => {
      if (method !== "publish") return;
      const decoded = decodeFrame(parameters[0] as Uint8Array);
      if (!("frame" in decoded) || decoded.frame.number === 0) return;
      numbers.push(decoded.frame.number);
      if (refused++ < 3) throw new Error("no route");
    };
    await cluster.run(a.set("k:1", 1));
    await cluster.clock.advance(10_000);
    expect(numbers).toHaveLength(4);
    expect(new Set(numbers).size).toBe(1);
    expect(a.status().ports.bus).not.toBe("degraded");
  });

  it("that cannot be sent are told of through publishErrors, and the write has succeeded all the same", async () => {
    const { cluster, a } = await setUp();
    cluster.network.disconnect("a");
    await expect(cluster.run(a.set("k:1", 1))).resolves.toBe(1);
    const first = a.publishErrors()[Symbol.asyncIterator]().next();
    const { value } = await cluster.run(first);
    expect(value).toMatchObject({ code: "UNAVAILABLE", port: "bus", operation: "publish" });
    expect(value.cause).toBeInstanceOf(Error);
  });

  it("of a strong-local key are coalesced with the writes: one per flush", async () => {
    const { cluster, a, frames } = await setUp();
    a.register("l:*", { mode: "strong-local", ttl: "1h" });
    for (let count = 0; count < 100; count++) await a.set("l:1", count);
    await cluster.run(a.flush());
    await cluster.settle();
    expect(frames.map(keysOf)).toEqual([["l:1"]]);
  });

  it("of a node's own make it drop nothing that it has just written", async () => {
    const { cluster, a } = await setUp();
    await cluster.run(a.set("k:1", 1));
    await cluster.clock.advance(3_000);
    expect(a.peek("k:1")).toBe(1);
  });
});

describe("a writer that cannot drop in the shared tier", () => {
  const pair = async () => {
    const cluster = new Cluster();
    const shared = watched(cluster.sharedCache());
    const bus = watched(cluster.bus());
    const other = watched(cluster.sharedCache());
    const a = await cluster.member("a", { sharedCache: shared.port, bus: bus.port });
    const b = await cluster.member("b", { sharedCache: other.port });
    await cluster.clock.advance(5_000);
    await cluster.run(a.set("k:1", "old"));
    await cluster.settle();
    await cluster.run(b.get("k:1"));
    await cluster.settle();
    expect(cluster.shared.slots.get("k:1")?.bytes).toBeDefined();
    return { cluster, shared, other, a, b, frames: listen(bus) };
  };
  const broken = async (): Promise<void> => {
    throw new Error("no route");
  };

  it("says so, and every receiver drops the key there before it reads it from there", async () => {
    const { cluster, shared, other, a, b, frames } = await pair();
    shared.faults.before = broken;
    await expect(cluster.run(a.set("k:1", "new"))).resolves.toBe("new");
    await cluster.settle();
    expect(frames.flat()).toEqual([{ kind: "drop", keys: ["k:1"], sharedDropped: false }]);
    expect(b.status().owed).toBe(1);
    other.calls.length = 0;
    await expect(cluster.run(b.get("k:1"))).resolves.toBe("new");
    expect(other.calls.slice(0, 2)).toEqual(["drop", "read"]);
    expect(b.status().owed).toBe(0);
  });

  it("drops it when it can, and announces the drop again", async () => {
    const { cluster, shared, a, b, frames } = await pair();
    shared.faults.before = broken;
    await cluster.run(a.set("k:1", "new"));
    await cluster.settle();
    expect(a.status().owed).toBe(1);
    expect(a.status().ports.sharedCache).not.toBe("up");
    shared.faults.before = undefined;
    await untilClosed(cluster, a);
    await cluster.clock.advance(2_000);
    expect(a.status().owed).toBe(0);
    expect(frames.flat()).toContainEqual({ kind: "drop", keys: ["k:1"], sharedDropped: true });
    await expect(cluster.run(b.get("k:1"))).resolves.toBe("new");
  });

  it("loses no time over it after the first: the breaker is open", async () => {
    const { cluster, shared, a } = await pair();
    shared.faults.before = () => new Promise(() => undefined);
    await cluster.run(a.set("k:1", "slow"), 250);
    await cluster.run(a.set("k:1", "fast"), 0);
    await cluster.run(a.delete("k:1"), 0);
  });

  it("does not keep the drop from the others under onCacheError: reject", async () => {
    const cluster = new Cluster();
    const shared = watched(cluster.sharedCache());
    const a = await cluster.member("a", { sharedCache: shared.port, onCacheError: "reject" });
    const b = await cluster.member("b");
    await cluster.clock.advance(5_000);
    for (const write of [
      () => a.set("k:1", "new"),
      () => a.delete("k:1"),
      () => a.invalidate("k:1"),
      () => a.txn().set("k:1", "txn").commit(),
    ]) {
      shared.faults.before = undefined;
      await untilClosed(cluster, a);
      await cluster.clock.advance(2_000);
      await cluster.run(b.set("k:1", "old"));
      await cluster.settle();
      await cluster.run(b.get("k:1"));
      shared.faults.before = broken;
      expect(await cluster.failure(write())).toMatchObject({ code: "UNAVAILABLE", port: "shared-cache" });
      await cluster.settle();
      expect(b.peek("k:1")).toBeUndefined();
    }
  });
});
