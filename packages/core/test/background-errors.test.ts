import { describe, expect, it } from "@jest/globals";
import type { WarpError } from "../src/index.ts";
import { Cluster, watched } from "./support/cluster.ts";
import { failOnUnhandledRejections } from "./support/outcomes.ts";

failOnUnhandledRejections();

describe("errors of background work", () => {
  it("come with key, operation, port and cause: of a strong-local write that the store does not take", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const cause = new Error("connection refused");
    store.faults.before = (method) => (method === "commit" ? Promise.reject(cause) : undefined);
    const a = cluster.node("a", { store: store.port });
    a.register("l:*", { mode: "strong-local", ttl: "1h" });
    await a.set("l:1", 1);
    const { value } = await cluster.run(a.publishErrors()[Symbol.asyncIterator]().next());
    expect(value).toMatchObject({ code: "UNAVAILABLE", port: "store", operation: "write-behind", cause });
    await cluster.clock.advance(600_000);
    expect(a.status()).toMatchObject({ dirty: 1, droppedErrors: 0 });
    store.faults.before = undefined;
    await cluster.run(a.flush());
    expect(cluster.stored("l:1")).toBe(1);
  });

  it("come from a write whose caller left before its outcome was known", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    store.faults.before = (method) => (method === "commit" ? Promise.reject(new Error("reset")) : undefined);
    const a = cluster.node("a", { store: store.port });
    a.register("k:*", { ttl: "1h" });
    expect((await cluster.failure(a.set("k:1", 1, { hardTimeout: 5 }))).code).toBe("OUTCOME_UNKNOWN");
    const { value } = await cluster.run(a.publishErrors()[Symbol.asyncIterator]().next());
    expect(value).toMatchObject({ code: "OUTCOME_UNKNOWN", key: "k:1", operation: "set", port: "store" });
    expect(store.calls.filter((method) => method === "commit")).toHaveLength(1);
  });

  it("are kept until somebody reads them, a bounded number, and those let go are counted", async () => {
    const cluster = new Cluster();
    const a = await cluster.member("a");
    cluster.network.disconnect("a");
    await cluster.run(a.set("k:1", 1));
    await cluster.clock.advance(1_500_000);
    const dropped = a.status().droppedErrors;
    expect(dropped).toBeGreaterThan(0);
    cluster.network.reconnect("a");
    await cluster.run(a.close());
    const kept: WarpError[] = [];
    for await (const error of a.publishErrors()) kept.push(error);
    expect(kept).toHaveLength(1_000);
  });

  it("go to one reader each, in order, and a reader that leaves takes none along", async () => {
    const cluster = new Cluster();
    const a = await cluster.member("a");
    const first = a.publishErrors()[Symbol.asyncIterator]();
    const second = a.publishErrors()[Symbol.asyncIterator]();
    const gone = first.next();
    const waiting = second.next();
    await first.return?.();
    await expect(gone).resolves.toEqual({ value: undefined, done: true });
    cluster.network.disconnect("a");
    await cluster.run(a.set("k:1", 1));
    expect((await cluster.run(waiting)).value).toMatchObject({ code: "UNAVAILABLE", operation: "publish" });
  });

  it("end with the node, once what is kept has been read", async () => {
    const cluster = new Cluster();
    const a = await cluster.member("a");
    const follow = (async () => {
      const codes: string[] = [];
      for await (const { code } of a.publishErrors()) codes.push(code);
      return codes;
    })();
    cluster.network.disconnect("a");
    await cluster.run(a.set("k:1", 1));
    cluster.network.reconnect("a");
    await cluster.run(a.close());
    expect(new Set(await cluster.run(follow))).toEqual(new Set(["UNAVAILABLE"]));
  });
});
