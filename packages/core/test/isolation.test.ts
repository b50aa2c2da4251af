import { describe, expect, it } from "@jest/globals";
import { MemoryCache, type Warp } from "../src/index.ts";
import { failOnUnhandledRejections, failureOf } from "./support/outcomes.ts";
import { ReadWorld } from "./support/read-world.ts";

failOnUnhandledRejections();

interface User {
  name: string;
  readonly tags: string[];
}

const user = (): User => ({ name: "Ada", tags: ["a"] });

const nodeWith = (
  isolate: "none" | "freeze" | "clone",
  store = false,
): { node: Warp<{ k: User }>; world: ReadWorld } => {
  const world = new ReadWorld();
  const localCache = new MemoryCache({ isolate, clock: world.clock });
  const node = world.node({ store }, { localCache }) as Warp<{ k: User }>;
  node.register("k", { ttl: "1h" });
  return { node, world };
};

// docs/pitfalls.md, 27: cached objects that callers change.
describe('isolate: "none"', () => {
  it("every caller has the object that was put: what one changes all see", async () => {
    const { node } = nodeWith("none");
    const mine = user();
    expect(await node.getOrSet("k", () => mine)).toBe(mine);
    expect(await node.get("k")).toBe(mine);
    expect(node.peek("k")).toBe(mine);
  });
});

describe('isolate: "freeze"', () => {
  it("what is in the cache cannot be changed, however deep, by whom ever it came from", async () => {
    for (const store of [false, true]) {
      const { node } = nodeWith("freeze", store);
      await node.getOrSet("k", user);
      const held = await node.get("k");
      expect(() => {
        held.name = "Eve";
      }).toThrow(TypeError);
      expect(() => held.tags.push("b")).toThrow(TypeError);
      expect(await node.get("k")).toEqual(user());
    }
  });

  it("also what comes from the store, and what contains itself", async () => {
    const { node } = nodeWith("freeze", true);
    await node.set("k", user());
    await node.invalidate("k");
    expect(Object.isFrozen((await node.get("k")).tags)).toBe(true);
    const { node: local } = nodeWith("freeze");
    const knot: { self?: unknown } = {};
    knot.self = knot;
    await (local as unknown as Warp).set("k", knot);
    expect(Object.isFrozen(knot)).toBe(true);
  });
});

describe('isolate: "clone"', () => {
  it("each caller has a copy of its own, from every call", async () => {
    for (const store of [false, true]) {
      const { node } = nodeWith("clone", store);
      const mine = user();
      const first = await node.getOrSet("k", () => mine);
      mine.name = "Eve";
      const copies = [
        first,
        await node.get("k"),
        await node.find("k", {}),
        await node.getOrSet("k", user),
        node.peek("k"),
        (await node.getMany(["k"])).get("k"),
      ];
      for (const copy of copies) expect(copy).toEqual(user());
      expect(new Set(copies).size).toBe(copies.length);
      copies[1]?.tags.push("changed");
      expect(await node.get("k")).toEqual(user());
    }
  });

  it("what set was given may be changed afterwards, and what it gave back too", async () => {
    const { node } = nodeWith("clone", true);
    const mine = user();
    const stored = await node.set("k", mine);
    mine.name = "Eve";
    stored.name = "Mallory";
    expect(await node.get("k")).toEqual(user());
  });

  it("callers who share one load do not share its value", async () => {
    const { node } = nodeWith("clone");
    const [a, b] = await Promise.all([node.getOrSet("k", user), node.getOrSet("k", user)]);
    expect(a).toEqual(b);
    expect(a).not.toBe(b);
  });

  it("keeps what structuredClone keeps: maps, dates, bytes, not only JSON", async () => {
    const { node } = nodeWith("clone");
    const value = new Map<unknown, unknown>([[new Date(0), new Uint8Array([1, 2])]]);
    const any = node as unknown as Warp;
    await any.set("k", value);
    expect(await any.get("k")).toEqual(value);
  });

  it("what has no clone is refused with INVALID_VALUE, and leaves nothing behind", async () => {
    const { node, world } = nodeWith("clone");
    const any = node as unknown as Warp;
    await any.set("k", 1);
    expect(await failureOf(any.getOrSet("k", () => ({ run: () => 1 }), { refresh: true }))).toMatchObject({
      code: "INVALID_VALUE",
      key: "k",
      port: "local-cache",
    });
    expect(await failureOf(any.set("k", { run: () => 1 }))).toMatchObject({ code: "INVALID_VALUE" });
    expect(await any.get("k")).toBe(1);
    expect(world.metrics.count("local_entries")).toBe(1);
  });
});
