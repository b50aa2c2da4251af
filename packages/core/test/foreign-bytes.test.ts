import { describe, expect, it } from "@jest/globals";
import type { Codec, MemorySharedSlot } from "../src/index.ts";
import { failOnUnhandledRejections, failureOf } from "./support/outcomes.ts";
import { ReadWorld } from "./support/read-world.ts";
import { settle } from "./support/virtual-clock.ts";

failOnUnhandledRejections();

const foreign: readonly (readonly [string, Uint8Array])[] = [
  ["nothing at all", new Uint8Array()],
  ["another program's JSON", Buffer.from('{"value":1}')],
  ["a later version of Warp's", new Uint8Array([0x77, 99, 1, 2, 3])],
  ["an entry cut short", new Uint8Array([0x77, 1, 3, 22, 65])],
];

const put = (world: ReadWorld, key: string, bytes: Uint8Array): void => {
  const slot = world.sharedData.slots.get(key) as MemorySharedSlot;
  world.sharedData.slots.set(key, { ...slot, bytes, expiresAt: world.clock.monotonic() + 3_600_000 });
};

describe("bytes in the shared tier that are not Warp's", () => {
  it.each(foreign)("%s: reported, a miss, and replaced by what the store has", async (_, bytes) => {
    const world = new ReadWorld();
    const node = await world.readyNode({ shared: true });
    node.register("k", { ttl: "1h" });
    await node.set("k", 1);
    await node.invalidate("k");
    await node.get("k");
    await settle();
    put(world, "k", bytes);
    await node.unregister("k");
    node.register("k", { ttl: "1h" });
    expect(await node.get("k")).toBe(1);
    const warning = world.log.find(({ message }) => message.startsWith("a cache tier failed"));
    expect(warning?.fields.err).toMatchObject({ code: "CORRUPT", port: "shared-cache" });
    expect(node.status().ports.sharedCache).toBe("up");
    await settle();
    const lines = world.warnings().length;
    await node.unregister("k");
    node.register("k", { ttl: "1h" });
    const { reads } = world.store;
    expect(await node.get("k")).toBe(1);
    expect(world.store.reads).toBe(reads);
    expect(world.warnings().length).toBe(lines);
  });

  it("without a store: a miss, and replaced by what a loader makes", async () => {
    const world = new ReadWorld();
    const node = await world.readyNode({ shared: true, store: false }, { localCache: false });
    node.register("k", { ttl: "1h" });
    await node.getOrSet("k", () => 1);
    await settle();
    put(world, "k", Buffer.from("not Warp's"));
    expect(await node.find("k")).toBeUndefined();
    expect(await node.getOrSet("k", () => 2)).toBe(2);
    await settle();
    expect(await node.get("k")).toBe(2);
  });

  it("a value that its codec does not understand is such a case", async () => {
    const world = new ReadWorld();
    const node = await world.readyNode({ shared: true }, { localCache: false });
    let broken = false;
    const codec: Codec = {
      name: "fragile",
      encode: (value) => Buffer.from(JSON.stringify(value)),
      decode: (bytes) => {
        if (broken) throw new SyntaxError("not mine");
        return JSON.parse(Buffer.from(bytes).toString());
      },
    };
    node.register("k", { ttl: "1h", codec });
    await node.set("k", 1);
    await node.get("k");
    await settle();
    broken = true;
    expect(await failureOf(node.get("k"))).toMatchObject({ code: "CORRUPT" });
    broken = false;
    expect(await node.get("k")).toBe(1);
  });

  it('under onCacheError: "reject" the error surfaces, and the bytes are gone by the next read', async () => {
    const world = new ReadWorld();
    const node = await world.readyNode({ shared: true }, { localCache: false, onCacheError: "reject" });
    node.register("k", { ttl: "1h" });
    await node.set("k", 1);
    await node.get("k");
    await settle();
    put(world, "k", Buffer.from("not Warp's"));
    expect(await failureOf(node.get("k"))).toMatchObject({ code: "CORRUPT", port: "shared-cache" });
    await settle();
    expect(await node.get("k")).toBe(1);
  });
});

describe("bytes in the store that are not Warp's", () => {
  it.each([
    ["nothing at all", new Uint8Array()],
    ["another format", new Uint8Array([42, 1, 2])],
    ["bytes that are no JSON", new Uint8Array([1, 123, 123])],
  ])("%s: CORRUPT, with the key, and never served", async (_, bytes) => {
    const world = new ReadWorld();
    const node = await world.readyNode({ shared: true });
    node.register("k", { ttl: "1h" });
    world.outside.changeOutside("k", bytes);
    expect(await failureOf(node.get("k"))).toMatchObject({ code: "CORRUPT", key: "k" });
    expect(await failureOf(node.getOrSet("k", () => 1))).toMatchObject({ code: "CORRUPT" });
    expect(node.peek("k")).toBeUndefined();
    await settle();
    expect(world.sharedData.slots.get("k")?.bytes).toBeUndefined();
  });

  it("they can be overwritten and deleted", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k*", { ttl: "1h" });
    world.outside.changeOutside("k1", new Uint8Array([42]));
    world.outside.changeOutside("k2", new Uint8Array([42]));
    expect(await node.set("k1", 1)).toBe(1);
    expect(await node.get("k1")).toBe(1);
    await node.delete("k2");
    expect(await node.find("k2")).toBeUndefined();
  });
});
