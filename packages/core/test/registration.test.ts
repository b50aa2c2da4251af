import { describe, expect, it } from "@jest/globals";
import { failOnUnhandledRejections, failureOf } from "./support/outcomes.ts";
import { ReadWorld } from "./support/read-world.ts";

failOnUnhandledRejections();

describe("which registration a key belongs to", () => {
  it("an exact key beats a pattern, and a longer literal prefix beats a shorter one", async () => {
    const node = new ReadWorld().node();
    for (const pattern of ["*", "user:*", "user:admin:*", "*:7", "user:admin:1"]) node.register(pattern, { ttl: "1m" });
    const patternOf = async (key: string): Promise<string> => (await node.inspect(key)).pattern;
    expect(await patternOf("user:admin:1")).toBe("user:admin:1");
    expect(await patternOf("user:admin:2")).toBe("user:admin:*");
    expect(await patternOf("user:7")).toBe("user:*");
    expect(await patternOf("order:1")).toBe("*");
  });

  it("the order of registering makes no difference", async () => {
    const world = new ReadWorld();
    const orders = [
      ["a*", "ab*", "abc"],
      ["abc", "ab*", "a*"],
    ];
    for (const patterns of orders) {
      const node = world.node();
      for (const pattern of patterns) node.register(pattern, { ttl: "1m" });
      expect((await node.inspect("abc")).pattern).toBe("abc");
      expect((await node.inspect("abd")).pattern).toBe("ab*");
      expect((await node.inspect("ad")).pattern).toBe("a*");
    }
  });

  it("a pattern that is taken is refused, whichever way it is registered", () => {
    const node = new ReadWorld().node();
    const strategy = { record: () => undefined, ttl: () => 1_000 };
    expect(node.register("user:*", { ttl: "1m" })).toBe(true);
    expect(node.register("user:*", { ttl: "2m" })).toBe(false);
    expect(node.registerDynamicTtl("user:*", { strategy })).toBe(false);
    expect(node.register("user:1", { ttl: "1m" })).toBe(true);
    expect(node.register("user:1", { ttl: "1m" })).toBe(false);
  });

  it("keys are resolved anew once a better pattern is registered", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("*", { ttl: "1h" });
    await node.set("user:1", "x");
    expect(await node.get("user:1")).toBe("x");
    node.register("user:*", { ttl: "5s" });
    const { bytesRead } = world.store;
    // The entry of the other registration is not served unasked; the store says that it is still right.
    expect(node.peek("user:1")).toBeUndefined();
    expect(await node.get("user:1")).toBe("x");
    expect(world.store.bytesRead).toBe(bytesRead);
    expect(await node.inspect("user:1")).toMatchObject({ pattern: "user:*", leftMs: 5_000, suspect: false });
  });

  it("keys are resolved anew once their pattern is gone, and its entries are dropped", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("*", { ttl: "1h" });
    node.register("user:*", { ttl: "5s" });
    await node.set("user:1", "x");
    expect(await node.unregister("user:*")).toBe(true);
    expect(await node.inspect("user:1")).toMatchObject({ pattern: "*", tier: undefined });
    const { reads } = world.store;
    expect(await node.get("user:1")).toBe("x");
    expect(world.store.reads).toBe(reads + 1);
    expect(await node.inspect("user:1")).toMatchObject({ pattern: "*", leftMs: 3_600_000 });
    expect(await node.unregister("user:*")).toBe(false);
  });

  it("a key whose only pattern is gone is UNREGISTERED, also where it was a hit before", async () => {
    const node = new ReadWorld().node();
    node.register("user:*", { ttl: "1h" });
    await node.set("user:1", "x");
    expect(await node.get("user:1")).toBe("x");
    await node.unregister("user:*");
    expect(await failureOf(node.get("user:1"))).toMatchObject({ code: "UNREGISTERED" });
  });

  it("entries of patterns that do not overlap stay as they are", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("order:*", { ttl: "1h" });
    await node.set("order:1", 1);
    node.register("user:*", { ttl: "1h" });
    const { reads } = world.store;
    expect(await node.get("order:1")).toBe(1);
    expect(world.store.reads).toBe(reads);
  });

  it("without a store an entry of a registration that another overtook is dropped", async () => {
    const node = new ReadWorld().node({ store: false });
    node.register("*", { ttl: "1h" });
    await node.set("user:1", "x");
    node.register("user:*", { ttl: "1h" });
    expect(await node.find("user:1")).toBeUndefined();
  });

  it("a load under way for a registration that ended is not shared by those who come under the next", async () => {
    const world = new ReadWorld();
    const node = world.node({ store: false });
    node.register("k", { ttl: "1h" });
    let end: (value: string) => void = () => undefined;
    const first = node.getOrSet("k", () => new Promise<string>((resolve) => (end = resolve)));
    await node.unregister("k");
    node.register("k", { ttl: "1h" });
    expect(await node.getOrSet("k", () => "second")).toBe("second");
    end("first");
    expect(await first).toBe("first");
    expect(node.peek("k")).toBe("second");
  });

  it("a load under way for a registration that ended fills nothing", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k*", { ttl: "1h" });
    await node.set("k1", 1);
    await node.invalidate("k1");
    world.storeFaults.latencyMs = 10;
    const read = node.get("k1");
    await node.unregister("k*");
    node.register("k*", { ttl: "1h" });
    await world.clock.advance(20);
    expect(await read).toBe(1);
    expect((await node.inspect("k1")).tier).toBeUndefined();
  });
});
