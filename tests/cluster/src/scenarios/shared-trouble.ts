import type { Warp } from "@warp/core";
import { Calls } from "../calls.ts";
import { makeTrouble } from "../chaos.ts";
import { requireConsistentEnd } from "../checks.ts";
import { Cluster } from "../cluster.ts";
import type { Scheduler } from "../scheduler.ts";
import { Workload } from "../workload.ts";

const keys = ["k:1", "k:2"];

const register = (warp: Warp): void => {
  warp.register("k:*", { ttl: "1h" });
};

/** A shared tier that fails, is slow, or goes back in time, for some nodes and not for others. */
export const sharedTrouble = async (scheduler: Scheduler): Promise<void> => {
  const chance = scheduler.random("scenario");
  const cluster = new Cluster(scheduler, { register, shared: true });
  for (const name of ["a", "b", "c"]) cluster.start(name, { localEntries: chance.pick([0, 1, 100]) });
  await cluster.ready();
  // A node that was frozen finds its deadlines past.
  const calls = new Calls(cluster, ["DEADLINE_EXCEEDED", "OUTCOME_UNKNOWN"]);
  const workload = new Workload({
    cluster,
    calls,
    chance,
    keys,
    mix: { find: 8, getMany: 1, set: 4, invalidate: 1, delete: 1 },
  });
  const note = (text: string): void => {
    if (text.startsWith("rollback")) calls.excuseReads();
    calls.note(text);
  };
  const kinds = chance.pick([
    ["shared"],
    ["shared", "disorder"],
    ["rollback"],
    ["shared", "rollback", "freeze"],
  ] as const);
  await scheduler.complete(
    Promise.all([
      ...cluster.live.map((node) => workload.run(node, 20, 200)),
      makeTrouble({ cluster, chance: scheduler.random("trouble"), note, kinds, longestMs: 1_500 }, 3),
    ]),
  );
  await requireConsistentEnd(cluster, calls, keys, { quietMs: 4_000 });
};
