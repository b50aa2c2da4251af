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

/** Others than Warp write what the nodes cache and write too; what the change feed tells of it is late, or lost with a gap. */
export const foreignWrites = async (scheduler: Scheduler): Promise<void> => {
  const chance = scheduler.random("scenario");
  const cluster = new Cluster(scheduler, { register, shared: chance.next() < 0.7, fed: true });
  for (const name of ["a", "b", "c"]) cluster.start(name, { localEntries: chance.pick([0, 100, 100]) });
  await cluster.ready();
  // What a node has cached may be older than what it has not been told of yet.
  const calls = new Calls(cluster, ["DEADLINE_EXCEEDED", "OUTCOME_UNKNOWN", "UNAVAILABLE"]);
  calls.excuseReads();
  const mix = { find: 8, getMany: 1, refresh: 1, set: 1, delete: 1, invalidate: 1 };
  const workload = new Workload({ cluster, calls, chance, keys, mix });
  for (const { store } of cluster.live) {
    store.maxMs = chance.pick([5, 300]);
    store.loseReply = chance.pick([0, 0, 0.3]);
  }
  let written = 0;
  const others = async (): Promise<void> => {
    for (let count = 0; count < 12; count++) {
      await scheduler.delay(chance.next() * 300);
      for (const key of chance.next() < 0.3 ? keys : [chance.pick(keys)]) {
        calls.note(`others write ${key}`);
        cluster.writeOutside(key, chance.next() < 0.2 ? undefined : `psql/${++written}`);
      }
    }
  };
  const trouble = { cluster, chance: scheduler.random("trouble"), note: (text: string) => calls.note(text) };
  const kinds = chance.pick([["shared"], ["shared", "freeze"], ["rollback"]] as const);
  await scheduler.complete(
    Promise.all([
      others(),
      ...cluster.live.map((node) => workload.run(node, 15, 250)),
      makeTrouble({ ...trouble, kinds, longestMs: 1_000 }, 2),
    ]),
  );
  await requireConsistentEnd(cluster, calls, keys, { quietMs: 4_000 });
};
