import { type Warp, WarpError } from "@warp/core";
import { sum } from "@warp/merge";
import { Calls } from "../calls.ts";
import { requireConsistentEnd } from "../checks.ts";
import { Cluster, type ClusterNode } from "../cluster.ts";
import type { Scheduler } from "../scheduler.ts";
import { Workload } from "../workload.ts";

const keys = ["k:1"];
const counters = ["n:1", "n:2"];

const register = (warp: Warp): void => {
  warp.register("k:*", { ttl: "1h" });
  warp.register("n:*", { ttl: "1h", merge: sum() });
};

/** A set under an operation id, repeated by its caller until somebody says yes: it must count once. */
const addOnce = async (cluster: Cluster, workload: Workload, node: ClusterNode): Promise<void> => {
  const { scheduler } = cluster;
  const op = scheduler.random("operations").id();
  const run = async (warp: Warp): Promise<unknown> => {
    // Once an attempt is unknown, that a later one was refused says nothing of the operation.
    let unknown: WarpError | undefined;
    for (let attempt = 0; ; attempt++) {
      try {
        return await warp.set("n:2", 100, { op, hardTimeout: attempt < 4 ? 300 : "1m" });
      } catch (error) {
        if (WarpError.has(error, "OUTCOME_UNKNOWN")) unknown = error;
        if (attempt === 8 || !WarpError.is(error)) throw unknown ?? error;
        await scheduler.delay(20, node.clock);
      }
    }
  };
  await workload.increment({ node, key: "n:2", amount: 100, run });
};

/** Requests and replies of commits are lost or late; callers repeat, and other writers go on meanwhile. */
export const unknownOutcome = async (scheduler: Scheduler): Promise<void> => {
  const chance = scheduler.random("scenario");
  const landsWithinMs = chance.pick([500, 4_000]);
  const cluster = new Cluster(scheduler, { register, shared: chance.next() < 0.3, landsWithinMs });
  const nodes = (await cluster.startAll("a", "b")) as [ClusterNode, ClusterNode];
  const calls = new Calls(cluster, ["OUTCOME_UNKNOWN", "UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED"]);
  for (const { store } of nodes) {
    store.loseReply = chance.pick([0, 0.3]);
    store.loseRequest = chance.pick([0, 0.2]);
    store.silent = chance.next() < 0.5;
    store.maxMs = chance.pick([5, landsWithinMs]);
  }
  const mix = { increment: 6, incrementMany: 3, set: 3, delete: 1, find: 2, getOrSet: 1 };
  const workload = new Workload({ cluster, calls, chance, keys, counters, mix, hasty: chance.pick([0, 0.4]) });
  const work = nodes.map((node) => workload.run(node, chance.pick([4, 12]), chance.pick([10, 300])));
  const storm = async (): Promise<void> => {
    await scheduler.delay(chance.next() * 3_000);
    workload.addOutside("n:1", chance.pick([1, 20]));
    const [node] = nodes;
    await calls.watch(node, "invalidate n:1", node.warp.invalidate("n:1"));
  };
  work.push(storm(), storm());
  work.push(addOnce(cluster, workload, nodes[0]));
  await scheduler.advance(6_000);
  cluster.heal();
  await scheduler.complete(Promise.all(work), { maxVirtualMs: 120_000 });
  await requireConsistentEnd(cluster, calls, [...keys, ...counters], {
    quietMs: 5_000 + landsWithinMs,
    wrong: () => workload.wrong(),
  });
};
