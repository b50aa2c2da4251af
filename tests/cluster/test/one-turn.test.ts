import { expect, it } from "@jest/globals";
import { sum } from "@warp/merge";
import { Cluster, type ClusterNode } from "../src/cluster.ts";
import { Scheduler } from "../src/index.ts";

it("a write whose predecessor on the key left within the same turn adds to it", async () => {
  for (let microtasks = 0; microtasks < 16; microtasks++) {
    const scheduler = new Scheduler(1);
    const cluster = new Cluster(scheduler, {
      register: (warp) => void warp.register("n:*", { ttl: "1h", merge: sum() }),
    });
    const [{ warp }] = (await cluster.startAll("a")) as [ClusterNode];
    const leaving = new AbortController();
    const left = warp.setMany([["n:1", 1]], { signal: leaving.signal }).catch(({ code }) => code);
    for (let turn = 0; turn < microtasks; turn++) await undefined;
    leaving.abort();
    const next = warp.setMany([["n:1", 10]]);
    const [code] = await scheduler.complete(Promise.all([left, next]));
    await scheduler.advance(1_000);
    expect(cluster.log.history("n:1")).toEqual(code === "ABORTED" ? [undefined, 10] : [undefined, 1, 11]);
  }
});
