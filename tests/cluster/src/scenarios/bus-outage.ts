import type { Warp } from "@warp/core";
import { Calls } from "../calls.ts";
import { makeTrouble } from "../chaos.ts";
import { requireConsistentEnd } from "../checks.ts";
import { Cluster, type ClusterNode } from "../cluster.ts";
import type { Scheduler } from "../scheduler.ts";
import { Workload } from "../workload.ts";

const keys = ["k:1", "k:2", "k:3"];

const register = (warp: Warp): void => {
  warp.register("k:*", { ttl: "1h" });
};

/** A node whose transport refuses what it publishes, or is cut off, while it writes: its peers must hear of it later. */
export const busOutage = async (scheduler: Scheduler): Promise<void> => {
  const chance = scheduler.random("scenario");
  const cluster = new Cluster(scheduler, { register, shared: chance.next() < 0.3 });
  const [a, b] = (await cluster.startAll("a", "b")) as [ClusterNode, ClusterNode];
  const calls = new Calls(cluster);
  const writes = new Workload({
    cluster,
    calls,
    chance,
    keys,
    mix: { set: 4, delete: 1, invalidate: 1, transaction: 1 },
  });
  const reads = new Workload({ cluster, calls, chance, keys, mix: { find: 4, getMany: 1 } });
  const trouble = makeTrouble(
    {
      cluster,
      chance: scheduler.random("trouble"),
      note: (text) => calls.note(text),
      kinds: ["publishing", "cut"],
      longestMs: 3_000,
    },
    2,
  );
  await scheduler.complete(Promise.all([writes.run(a, 8, 500), reads.run(b, 12, 300), trouble]));
  await requireConsistentEnd(cluster, calls, keys, { quietMs: 6_000 });
};
