import type { Warp } from "@warp/core";
import { sum } from "@warp/merge";
import { Calls } from "../calls.ts";
import { requireConsistentEnd } from "../checks.ts";
import { Cluster } from "../cluster.ts";
import type { Scheduler } from "../scheduler.ts";
import { Workload } from "../workload.ts";

const keys = ["k:1", "k:2"];
const counters = ["n:1", "n:2"];

const register = (warp: Warp): void => {
  warp.register("k:*", { ttl: "1h" });
  warp.register("n:*", { ttl: "1h", merge: sum() });
};

/** Two nodes that write the same keys, where an announcement may be quicker than the reply to a write. */
export const overtakenReply = async (scheduler: Scheduler): Promise<void> => {
  const chance = scheduler.random("scenario");
  const cluster = new Cluster(scheduler, { register, shared: chance.next() < 0.5, latencyMs: chance.pick([2, 10]) });
  const writers = ["a", "b"].map((name) => cluster.start(name));
  if (chance.next() < 0.3) cluster.start("witness", { localEntries: 0 });
  await cluster.ready();
  const calls = new Calls(cluster, ["DEADLINE_EXCEEDED", "OUTCOME_UNKNOWN", "ABORTED", "UNAVAILABLE"]);
  for (const { store } of writers) store.maxMs = chance.pick([1, 10, 60]);
  const mix = {
    set: 4,
    increment: 2,
    incrementMany: 2,
    delete: 1,
    transaction: 1,
    setMany: 1,
    find: 2,
    getMany: 1,
    getOrSet: 1,
  };
  const workload = new Workload({ cluster, calls, chance, keys, counters, mix, hasty: chance.pick([0, 0, 0.3]) });
  await scheduler.complete(Promise.all(writers.map((node) => workload.run(node, 6, 30))));
  await requireConsistentEnd(cluster, calls, [...keys, ...counters], { wrong: () => workload.wrong() });
};
