import { describe, expect, it } from "@jest/globals";
import { type Delivery, MemoryBus, MemoryStore, type Warp } from "../src/index.ts";
import { failOnUnhandledRejections, failureOf, watch } from "./support/outcomes.ts";
import { ReadWorld } from "./support/read-world.ts";
import { settle } from "./support/virtual-clock.ts";

failOnUnhandledRejections();

const storedJson = (value: unknown): Uint8Array => new Uint8Array([1, ...Buffer.from(JSON.stringify(value))]);
const big = "x".repeat(1_000);

const nameOf = (node: Warp): string => node.nodes()[0] as string;

/** A reader, whose metrics are the world's, and a writer on one bus. */
const pair = async (options: Parameters<ReadWorld["node"]>[1] = {}) => {
  const world = new ReadWorld();
  const writer = await world.readyNode({ bus: true });
  const reader = await world.readyNode({ bus: true }, options);
  for (const node of [writer, reader]) node.register("k*", { ttl: "1h" });
  return { world, writer, reader };
};

const gaps = (world: ReadWorld, reason: string): number => world.metrics.count("bus_gaps_total", { reason });

describe("a suspect entry", () => {
  it("is asked about by its revision once, moves no bytes if it stands, and is a plain hit then", async () => {
    const { world, reader } = await pair();
    await reader.set("k", big);
    reader.register("*", { ttl: "1h" });
    expect(reader.status().suspects).toBe(1);
    expect((await reader.inspect("k")).suspect).toBe(true);
    expect(reader.peek("k")).toBeUndefined();
    expect(await reader.get("k")).toBe(big);
    expect(world.store.bytesRead).toBe(0);
    expect(world.store.reads).toBe(1);
    expect(world.metrics.count("suspects_total", { outcome: "revalidated", pattern: "k*" })).toBe(1);
    expect((await reader.inspect("k")).suspect).toBe(false);
    expect(reader.peek("k")).toBe(big);
    expect(await reader.get("k")).toBe(big);
    expect(world.store.reads).toBe(1);
  });

  it("is replaced if it was overtaken", async () => {
    const { world, reader } = await pair();
    await reader.set("k", "old");
    world.outside.changeOutside("k", storedJson("new"));
    reader.register("*", { ttl: "1h" });
    expect(await reader.get("k")).toBe("new");
    expect(world.metrics.count("suspects_total", { outcome: "replaced" })).toBe(1);
  });

  it("is dropped if the store has it no more", async () => {
    const { world, reader } = await pair();
    await reader.set("k", "old");
    world.outside.changeOutside("k", undefined);
    reader.register("*", { ttl: "1h" });
    expect(await reader.find("k")).toBeUndefined();
    expect((await reader.inspect("k")).tier).toBeUndefined();
  });

  it("does not outlive a revision that came back with the same bytes", async () => {
    const { world, reader } = await pair();
    await reader.set("k", "x");
    world.outside.changeOutside("k", storedJson("y"));
    world.outside.changeOutside("k", storedJson("x"));
    reader.register("*", { ttl: "1h" });
    expect(await reader.get("k")).toBe("x");
    expect(world.metrics.count("suspects_total", { outcome: "revalidated" })).toBe(0);
  });

  it("is not served while the store is down, and is served again when that says that it stands", async () => {
    const { world, reader } = await pair();
    await reader.set("k", 1);
    reader.register("*", { ttl: "1h" });
    world.storeFaults.mode = "refuses";
    expect(await failureOf(reader.get("k"))).toMatchObject({ code: "UNAVAILABLE" });
    world.storeFaults.mode = "well";
    expect(await reader.get("k")).toBe(1);
    expect(world.store.bytesRead).toBe(0);
  });

  it("10 000 readers of it cost one question", async () => {
    const { world, reader } = await pair();
    await reader.set("k", big);
    reader.register("*", { ttl: "1h" });
    await Promise.all(Array.from({ length: 10_000 }, () => reader.get("k")));
    expect(world.store.reads).toBe(1);
    expect(world.store.bytesRead).toBe(0);
  });

  it("a revalidation that an invalidation overtakes does not bring it back", async () => {
    const { world, writer, reader } = await pair();
    await reader.set("k", "old");
    reader.register("*", { ttl: "1h" });
    world.storeFaults.latencyMs = 10;
    const read = watch(reader.get("k"));
    await world.clock.advance(15);
    world.storeFaults.latencyMs = 0;
    await writer.set("k", "new");
    await world.clock.advance(50);
    expect(read.value).toBe("old");
    expect(reader.peek("k")).toBeUndefined();
    expect(await reader.get("k")).toBe("new");
  });

  it("local entries of strong-local keys are never suspect", async () => {
    const { world, reader } = await pair();
    reader.register("mine", { ttl: "1h", mode: "strong-local" });
    await reader.set("mine", 1);
    await reader.flush();
    world.network.disconnect(nameOf(reader));
    await world.clock.advance(10_000);
    expect(reader.peek("mine")).toBe(1);
  });
});

// docs/pitfalls.md, 3, 4, 6: a missed message is noticed.
describe("what makes entries suspect", () => {
  it("a frame that was lost, as soon as the next one or a heartbeat comes", async () => {
    const { world, writer, reader } = await pair();
    await writer.set("k1", "old");
    await world.clock.advance(10);
    await reader.get("k1");
    const drop = ({ from, to }: Delivery): boolean => from === nameOf(writer) && to === nameOf(reader);
    world.network.faults.drop = drop;
    await writer.set("k1", "new");
    await world.clock.advance(10);
    expect(await reader.get("k1")).toBe("old");
    world.network.faults.drop = undefined;
    await world.clock.advance(1_000);
    expect(await reader.get("k1")).toBe("new");
    expect(gaps(world, "lost")).toBe(1);
  });

  it("every single loss acts: there is no tolerance", async () => {
    const { world, writer, reader } = await pair();
    for (let round = 0; round < 5; round++) {
      await writer.set("k", round);
      await world.clock.advance(1_100);
      expect(await reader.get("k")).toBe(round);
      world.network.faults.drop = ({ from, to }) => from === nameOf(writer) && to === nameOf(reader);
      await writer.set("k", `new ${round}`);
      await world.clock.advance(10);
      world.network.faults.drop = undefined;
      await world.clock.advance(1_100);
      expect(await reader.get("k")).toBe(`new ${round}`);
    }
    expect(gaps(world, "lost")).toBe(5);
  });

  it("a connection that was lost and came back", async () => {
    const { world, writer, reader } = await pair();
    await writer.set("k", "old");
    await world.clock.advance(10);
    await reader.get("k");
    world.network.disconnect(nameOf(reader));
    await writer.set("k", "new");
    await world.clock.advance(100);
    world.network.reconnect(nameOf(reader));
    await world.clock.advance(1);
    expect(await reader.get("k")).toBe("new");
    expect(gaps(world, "transport")).toBe(1);
  });

  it("a node that vanishes without a goodbye; and again once its last commit must have landed", async () => {
    const world = new ReadWorld();
    const lazy = new MemoryStore({ clock: world.clock, data: world.storeData, landsWithinMs: 20_000 });
    const reader = await world.readyNode({ store: false, bus: true }, { store: lazy });
    reader.register("k", { ttl: "1h" });
    await reader.set("k", 1);
    const other = await world.readyNode({ bus: true }, { metrics: { attach: () => () => undefined } });
    await world.clock.advance(1_000);
    await reader.get("k");
    world.network.disconnect(nameOf(other));
    world.network.faults.drop = ({ from }) => from === nameOf(other);
    await world.clock.advance(6_100);
    expect(gaps(world, "vanished")).toBe(1);
    expect((await reader.inspect("k")).suspect).toBe(true);
    await reader.get("k");
    expect((await reader.inspect("k")).suspect).toBe(false);
    await world.clock.advance(20_000);
    expect(gaps(world, "vanished")).toBe(2);
    expect((await reader.inspect("k")).suspect).toBe(true);
  });

  it("a node that says goodbye is no reason", async () => {
    const { world, writer, reader } = await pair();
    await reader.set("k", 1);
    await writer.close();
    await world.clock.advance(10_000);
    expect(gaps(world, "vanished")).toBe(0);
    expect(reader.peek("k")).toBe(1);
  });

  it("a clear() of another node", async () => {
    const { world, writer, reader } = await pair();
    await reader.set("k", 1);
    await writer.clear();
    await world.clock.advance(10);
    expect(gaps(world, "drop-all")).toBe(1);
    expect((await reader.inspect("k")).tier).toBeUndefined();
  });

  it("a node first heard of above its first number", async () => {
    const world = new ReadWorld();
    const writer = await world.readyNode({ bus: true });
    writer.register("k", { ttl: "1h" });
    await writer.set("k", "old");
    await world.clock.advance(10);
    world.network.faults.drop = ({ from }) => from === nameOf(writer);
    const reader = await world.readyNode({ bus: true });
    reader.register("k", { ttl: "1h" });
    expect(await reader.get("k")).toBe("old");
    await writer.set("k", "new");
    world.network.faults.drop = undefined;
    await world.clock.advance(1_100);
    expect(gaps(world, "unknown-sender")).toBeGreaterThanOrEqual(1);
    expect(await reader.get("k")).toBe("new");
  });

  it("duplicates and frames out of order are no reason", async () => {
    const { world, writer, reader } = await pair();
    world.network.faults.duplicate = () => true;
    for (let round = 0; round < 10; round++) {
      await writer.set("k", round);
      await world.clock.advance(500);
    }
    expect(gaps(world, "lost")).toBe(0);
    expect(await reader.get("k")).toBe(9);
  });

  it("a node does not act on its own frames", async () => {
    const { world, reader } = await pair();
    await reader.set("k", 1);
    await world.clock.advance(100);
    expect(reader.peek("k")).toBe(1);
  });
});

// docs/pitfalls.md, 7: what an entry is worth while the bus is down is a policy.
describe("while a node does not hear the bus", () => {
  const deafen = async (world: ReadWorld, node: Warp): Promise<void> => {
    world.network.disconnect(nameOf(node));
    await world.clock.advance(4_000);
  };

  it('"revalidate", the default: every entry is asked about after each heartbeat, and none is served unasked', async () => {
    const { world, writer, reader } = await pair();
    await reader.set("k", big);
    await deafen(world, reader);
    expect(reader.status().ports.bus).toBe("down");
    expect(world.metrics.count("bus_deaf")).toBe(1);
    const { reads, bytesRead } = world.store;
    expect(await reader.get("k")).toBe(big);
    expect(world.store.reads).toBe(reads + 1);
    expect(world.store.bytesRead).toBe(bytesRead);
    await writer.set("k", "new");
    await world.clock.advance(1_000);
    expect(await reader.get("k")).toBe("new");
  });

  it('"serve": entries are served as if nothing were wrong, and asked about once the node hears again', async () => {
    const { world, writer, reader } = await pair({ whileDeaf: "serve" });
    await reader.set("k", "old");
    await deafen(world, reader);
    await writer.set("k", "new");
    await world.clock.advance(60_000);
    expect(await reader.get("k")).toBe("old");
    expect(reader.peek("k")).toBe("old");
    world.network.reconnect(nameOf(reader));
    await world.clock.advance(2_000);
    expect(await reader.get("k")).toBe("new");
  });

  it('"bypass": the local tier is not looked at and not filled, and used again once the node hears', async () => {
    const { world, writer, reader } = await pair({ whileDeaf: "bypass" });
    await reader.set("k", "old");
    await deafen(world, reader);
    await writer.set("k", "new");
    for (let read = 0; read < 3; read++) expect(await reader.get("k")).toBe("new");
    expect(reader.peek("k")).toBeUndefined();
    const { reads } = world.store;
    await reader.get("k");
    expect(world.store.reads).toBe(reads + 1);
    world.network.reconnect(nameOf(reader));
    await world.clock.advance(2_000);
    expect(await reader.get("k")).toBe("new");
    expect(reader.peek("k")).toBe("new");
  });

  it('"bypass" holds for what is registered meanwhile too', async () => {
    const { world, reader } = await pair({ whileDeaf: "bypass" });
    await deafen(world, reader);
    reader.register("later", { ttl: "1h" });
    await reader.set("later", 1);
    await reader.get("later");
    expect(reader.peek("later")).toBeUndefined();
  });

  it("fail-safe does not serve what may have been overtaken, unless told so", async () => {
    const { world, reader } = await pair();
    reader.register("safe", { ttl: "1h", failSafe: "1h" });
    reader.register("bold", { ttl: "1h", failSafe: { for: "1h", suspects: true } });
    await reader.set("safe", 1);
    await reader.set("bold", 1);
    await deafen(world, reader);
    world.storeFaults.mode = "refuses";
    expect(await failureOf(reader.get("safe"))).toMatchObject({ code: "UNAVAILABLE" });
    expect(await reader.get("bold")).toBe(1);
  });

  it("a node whose bus never came up serves reads all the same", async () => {
    const world = new ReadWorld();
    const bus = new MemoryBus(world.network, { pause: () => Promise.reject(new Error("no bus")) });
    const node = world.node({}, { bus });
    node.register("k", { ttl: "1h" });
    await node.set("k", 1);
    await world.clock.advance(10_000);
    expect(await node.get("k")).toBe(1);
    expect(node.status().ports.bus).toBe("down");
    const ready = watch(node.ready());
    await settle();
    expect(ready.state).toBe("pending");
  });
});
