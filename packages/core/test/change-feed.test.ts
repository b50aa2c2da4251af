import { describe, expect, it } from "@jest/globals";
import { type ChangeFeed, type ChangeListener, MemoryStore, type MergeEngine, type Warp } from "../src/index.ts";
import { sum } from "./support/cluster.ts";
import { failOnUnhandledRejections, failureOf, watch } from "./support/outcomes.ts";
import { CapturedMetrics, ReadWorld } from "./support/read-world.ts";
import { settle } from "./support/virtual-clock.ts";

failOnUnhandledRejections();

const storedJson = (value: unknown): Uint8Array => new Uint8Array([1, ...Buffer.from(JSON.stringify(value))]);

/** A feed whose listeners a test tells by hand, and whose `watch` it can make fail or wait. */
class HandFeed implements ChangeFeed {
  readonly portVersion = 1;
  live = true;
  attempts = 0;
  ended = 0;
  readonly listeners: Set<ChangeListener> = new Set();
  begin: () => Promise<void> = async () => undefined;
  end: () => Promise<void> = async () => undefined;

  async watch(listener: ChangeListener): Promise<() => Promise<void>> {
    this.attempts += 1;
    await this.begin();
    this.listeners.add(listener);
    return async () => {
      this.ended += 1;
      this.listeners.delete(listener);
      await this.end();
    };
  }

  tell(...keys: readonly string[]): void {
    for (const listener of this.listeners) listener.onChange(keys);
  }

  gap(): void {
    for (const listener of this.listeners) listener.onGap();
  }
}

interface Foreign {
  readonly world: ReadWorld;
  readonly feed: HandFeed;
  readonly node: Warp;
}

/** A node with every tier, its own feed, and keys `k*` registered. */
const open = async (parts: Parameters<ReadWorld["node"]>[0] = { shared: true }): Promise<Foreign> => {
  const world = new ReadWorld();
  const feed = new HandFeed();
  const node = await world.readyNode(parts, { changeFeed: feed });
  node.register("k*", { ttl: "1h" });
  return { world, feed, node };
};

/** A write leaves its slot in the shared tier empty: the next reader fills it. */
const fillShared = async (world: ReadWorld): Promise<void> => {
  const other = await world.readyNode({ shared: true, bus: true }, { metrics: new CapturedMetrics() });
  other.register("k*", { ttl: "1h" });
  expect(await other.get("k1")).toBe("old");
  await settle();
  await other.close();
};

const storeGaps = ({ world }: Foreign): number => world.metrics.count("bus_gaps_total", { reason: "change-feed" });

describe("a change by somebody else than Warp", () => {
  it("is read by every node of the feed at once, also where the shared tier held the old value", async () => {
    const world = new ReadWorld();
    const nodes = [0, 1, 2].map(() => {
      const changeFeed = new MemoryStore({ clock: world.clock, data: world.storeData });
      const node = world.node({ shared: true, bus: true }, { changeFeed });
      node.register("k*", { ttl: "1h" });
      return node;
    });
    await world.clock.advance(4_500);
    const [first] = nodes as [Warp, Warp, Warp];
    await first.set("k1", "old");
    await settle();
    for (const node of nodes) expect(await node.get("k1")).toBe("old");
    world.outside.changeOutside("k1", storedJson("new"));
    await settle();
    for (const node of nodes) expect(node.peek("k1")).toBeUndefined();
    for (const node of nodes) expect(await node.get("k1")).toBe("new");
    world.outside.changeOutside("k1", undefined);
    await settle();
    for (const node of nodes) expect(await node.find("k1")).toBeUndefined();
  });

  it("voids the load that is under way", async () => {
    const { world, feed, node } = await open();
    world.outside.changeOutside("k1", storedJson("old"));
    world.storeFaults.latencyMs = 10;
    const read = watch(node.get("k1"));
    await world.clock.advance(15);
    world.outside.changeOutside("k1", storedJson("new"));
    feed.tell("k1");
    await world.clock.advance(20);
    expect(read.value).toBe("old");
    world.storeFaults.latencyMs = 0;
    expect(node.peek("k1")).toBeUndefined();
    expect(await node.get("k1")).toBe("new");
    expect(world.metrics.count("foreign_changes_total")).toBe(1);
  });

  it("is read also where the shared tier could not drop its old copy, and the drop is made up for", async () => {
    const { world, feed, node } = await open({ shared: true, bus: true });
    await node.set("k1", "old");
    await settle();
    world.sharedFaults.mode = "refuses";
    world.outside.changeOutside("k1", storedJson("new"));
    feed.tell("k1");
    await settle();
    expect(node.status().owed).toBe(1);
    expect(await node.get("k1")).toBe("new");
    world.sharedFaults.mode = "well";
    await world.clock.advance(15_000);
    expect(node.status().owed).toBe(0);
    const late = await world.readyNode({ shared: true, bus: true });
    late.register("k*", { ttl: "1h" });
    expect(await late.get("k1")).toBe("new");
  });

  it("is read also while the drop of its old copy is on its way to the shared tier", async () => {
    const { world, feed, node } = await open({ shared: true, bus: true });
    await node.set("k1", "old");
    await fillShared(world);
    world.sharedFaults.latencyMs = 50;
    world.outside.changeOutside("k1", storedJson("new"));
    feed.tell("k1");
    await settle();
    world.sharedFaults.latencyMs = 0;
    expect(await node.get("k1")).toBe("new");
    await world.clock.advance(200);
    expect(await node.get("k1")).toBe("new");
  });

  it("shows a lease too, which a node without a bus then ends in time", async () => {
    const { world, feed, node } = await open({});
    await world.clock.advance(60_000);
    const other = await world.readyNode({}, { metrics: new CapturedMetrics() });
    other.register("k*", { ttl: "1h" });
    await node.set("k1", 1);
    const lease = await other.grantLease({ ttl: "5s" });
    await other.attachKey(lease, "k1");
    await other.close();
    const leases = node.status().leases;
    feed.tell(`\u0000warp:lease:${lease.id}`);
    await world.clock.advance(4_000);
    expect([leases, node.status().leases]).toEqual([0, 1]);
    expect(node.peek("k1")).toBe(1);
    await world.clock.advance(6_000);
    expect(node.peek("k1")).toBeUndefined();
  });

  it("does not take a dirty strong-local write with it: that is flushed, and merged where it has a merge", async () => {
    const { world, feed, node } = await open();
    node.register("n", { ttl: "1h", mode: "strong-local", merge: sum as MergeEngine });
    await node.set("n", 1);
    await node.flush();
    world.storeFaults.latencyMs = 20;
    await node.set("n", 10);
    expect(node.status().dirty).toBe(1);
    world.outside.changeOutside("n", storedJson(100));
    feed.tell("n");
    await world.clock.advance(1_000);
    world.storeFaults.latencyMs = 0;
    expect(node.status().dirty).toBe(0);
    expect(await node.get("n")).toBe(110);
  });

  it("leaves no former value of this node's own dating behind, where there is no store", async () => {
    const { feed, node } = await open({ store: false });
    node.register("h", { ttl: "1h", history: { versions: 10 } });
    await node.set("h", "old");
    feed.tell("h");
    await settle();
    expect(await failureOf(node.getAt("h", Date.now() * 10))).toMatchObject({ code: "HISTORY_UNAVAILABLE" });
    expect(await node.find("h")).toBeUndefined();
  });

  it("of a bulk update beyond what can be owed is survived by a new epoch", async () => {
    const { world, feed, node } = await open();
    await node.set("k1", "old");
    await settle();
    world.sharedFaults.mode = "silent";
    world.outside.changeOutside("k1", storedJson("new"));
    feed.tell("k1", ...Array.from({ length: 10_100 }, (_, index) => `other:${index}`));
    await world.clock.advance(1_000);
    world.sharedFaults.mode = "well";
    await world.clock.advance(20_000);
    expect(node.status().owed).toBe(0);
    expect(await node.get("k1")).toBe("new");
  });
});

describe("a change feed that may have missed changes", () => {
  it("makes every distributed entry suspect, and sets a new epoch in the shared tier", async () => {
    const foreign = await open();
    const { world, feed, node } = foreign;
    node.register("mine", { ttl: "1h", mode: "strong-local" });
    await node.set("mine", 1);
    await node.set("k1", "old");
    await node.set("k2", "same");
    await node.flush();
    const before = world.sharedData.epoch;
    const gapsBefore = storeGaps(foreign);
    world.outside.changeOutside("k1", storedJson("new"));
    feed.gap();
    await world.clock.advance(1_100);
    expect(storeGaps(foreign)).toBe(gapsBefore + 1);
    expect(world.sharedData.epoch).not.toBe(before);
    expect(node.peek("k1")).toBeUndefined();
    expect(node.peek("mine")).toBe(1);
    expect(await node.get("k1")).toBe("new");
    const bytes = world.store.bytesRead;
    expect(await node.get("k2")).toBe("same");
    expect(world.store.bytesRead).toBe(bytes);
  });

  it("is tried again until it watches, told of once, and what was read before it did is suspect", async () => {
    const world = new ReadWorld();
    const feed = new HandFeed();
    feed.begin = async () => {
      throw new Error("no listener for you");
    };
    const node = world.node({ shared: true, bus: true }, { changeFeed: feed });
    node.register("k*", { ttl: "1h" });
    await world.clock.advance(4_500);
    await node.set("k1", "old");
    await fillShared(world);
    world.outside.changeOutside("k1", storedJson("new"));
    expect(await node.get("k1")).toBe("old");
    expect(node.status().ports.changeFeed).toBe("down");
    expect(world.metrics.count("change_feed_down")).toBe(1);
    expect(world.warnings()).toEqual(["the change feed failed"]);
    feed.begin = async () => undefined;
    await world.clock.advance(6_000);
    expect(feed.attempts).toBeGreaterThan(3);
    expect(node.status().ports.changeFeed).toBe("up");
    expect(world.metrics.count("change_feed_down")).toBe(0);
    expect(world.metrics.count("bus_gaps_total", { reason: "change-feed" })).toBe(1);
    // The first to ask: nobody has replaced what the shared tier held.
    const other = await world.readyNode({ shared: true, bus: true });
    other.register("k*", { ttl: "1h" });
    expect(await other.get("k1")).toBe("new");
    expect(await node.get("k1")).toBe("new");
  });

  it("makes what a node without a shared tier read before it watched suspect", async () => {
    const world = new ReadWorld();
    const feed = new HandFeed();
    let resolve = (): void => undefined;
    feed.begin = () =>
      new Promise((done) => {
        resolve = done;
      });
    const node = world.node({}, { changeFeed: feed });
    node.register("k*", { ttl: "1h" });
    await node.set("k1", "old");
    world.outside.changeOutside("k1", storedJson("new"));
    expect(await node.get("k1")).toBe("old");
    resolve();
    await settle();
    expect(await node.get("k1")).toBe("new");
  });

  it("that never answers is given up at the store's deadline, and a late answer is ended", async () => {
    const world = new ReadWorld();
    const feed = new HandFeed();
    const waiting: (() => void)[] = [];
    feed.begin = () => new Promise((resolve) => waiting.push(resolve));
    const node = world.node({}, { changeFeed: feed });
    await world.clock.advance(2_500);
    expect(feed.attempts).toBe(2);
    for (const resolve of waiting.splice(0)) resolve();
    await settle();
    expect(feed.ended).toBe(1);
    expect(feed.listeners.size).toBe(1);
    expect(node.status().ports.changeFeed).toBe("up");
  });

  it("says so in status() as long as it says so itself", async () => {
    const { feed, node, world } = await open();
    expect(node.status().ports.changeFeed).toBe("up");
    feed.live = false;
    expect(node.status().ports.changeFeed).toBe("down");
    expect(world.metrics.count("change_feed_down")).toBe(1);
  });
});

describe("a node with a change feed", () => {
  it("is ready once it hears the feed, and after twice the store's deadline without it", async () => {
    const world = new ReadWorld();
    const feed = new HandFeed();
    let resolve = (): void => undefined;
    feed.begin = () =>
      new Promise((done) => {
        resolve = done;
      });
    const first = watch(world.node({}, { changeFeed: feed }).ready());
    await settle();
    expect(first.state).toBe("pending");
    resolve();
    await settle();
    expect(first.state).toBe("resolved");
    const second = watch(world.node({}, { changeFeed: feed }).ready());
    await world.clock.advance(3_900);
    expect(second.state).toBe("pending");
    await world.clock.advance(200);
    expect(second.state).toBe("resolved");
  });

  it("ends the subscription when it is closed, and is told nothing after that", async () => {
    const { feed, node, world } = await open();
    await node.set("k1", 1);
    const [listener] = feed.listeners;
    await node.close();
    expect(feed.listeners.size).toBe(0);
    listener?.onChange(["k1"]);
    listener?.onGap();
    expect(world.metrics.count("foreign_changes_total")).toBe(0);
  });

  it("that is closed while the feed has not begun ends it when it does", async () => {
    const world = new ReadWorld();
    const feed = new HandFeed();
    let resolve = (): void => undefined;
    feed.begin = () =>
      new Promise((done) => {
        resolve = done;
      });
    const node = world.node({}, { changeFeed: feed });
    await settle();
    await node.close();
    resolve();
    await settle();
    expect(feed.ended).toBe(1);
  });

  it("closes within its patience also where the feed does not end", async () => {
    const { feed, node, world } = await open({ bus: true });
    feed.end = () => new Promise(() => undefined);
    const closed = watch(node.close({ timeout: "1s" }));
    await world.clock.advance(1_500);
    expect(closed.state).toBe("rejected");
  });

  it("does not watch a store unasked: a feed is an option of its own", async () => {
    const world = new ReadWorld();
    const node = await world.readyNode();
    node.register("k", { ttl: "1h" });
    await node.set("k", "old");
    world.outside.changeOutside("k", storedJson("new"));
    expect(await node.get("k")).toBe("old");
    expect(node.status().ports.changeFeed).toBe("absent");
  });
});
