import { describe, expect, it } from "@jest/globals";
import { Cluster } from "./support/cluster.ts";

describe("writing over a store", () => {
  it("a value that was set is in the store, in this node's cache and on every other node", async () => {
    const cluster = new Cluster();
    const [a, b] = [await cluster.member("a"), await cluster.member("b")];
    await expect(cluster.run(a.set("k:1", { x: 1 }))).resolves.toEqual({ x: 1 });
    expect(cluster.stored("k:1")).toEqual({ x: 1 });
    expect(a.peek("k:1")).toEqual({ x: 1 });
    await expect(cluster.run(b.get("k:1"))).resolves.toEqual({ x: 1 });
  });

  it("another node's copy is dropped by a write and read anew", async () => {
    const cluster = new Cluster();
    const [a, b] = [await cluster.member("a"), await cluster.member("b")];
    await cluster.run(a.set("k:1", 1));
    await cluster.run(b.get("k:1"));
    await cluster.run(a.set("k:1", 2));
    await cluster.settle();
    expect(b.peek("k:1")).toBeUndefined();
    await expect(cluster.run(b.get("k:1"))).resolves.toBe(2);
  });
});
