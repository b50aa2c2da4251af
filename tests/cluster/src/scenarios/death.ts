import type { Warp } from "@warp/core";
import { Calls } from "../calls.ts";
import { requireConsistentEnd } from "../checks.ts";
import { Cluster, type ClusterNode } from "../cluster.ts";
import type { Scheduler } from "../scheduler.ts";
import { Workload } from "../workload.ts";

const keys = ["k:1", "k:2"];

const register = (warp: Warp): void => {
  warp.register("k:*", { ttl: "1h" });
};

export interface DeathOptions {
  /** Whether the store says how late a commit can land. Default true. */
  readonly declares?: boolean;
}

/** A node that dies during its writes: they are committed, or land later, and nobody is told. */
export const death = async (scheduler: Scheduler, { declares = true }: DeathOptions = {}): Promise<void> => {
  const chance = scheduler.random("scenario");
  const landsWithinMs = chance.pick([0, 8_000]);
  const cluster = new Cluster(scheduler, {
    register,
    shared: chance.next() < 0.7,
    landsWithinMs: declares ? landsWithinMs : 0,
  });
  const [a, b, c] = (await cluster.startAll("a", "b", "c")) as [ClusterNode, ClusterNode, ClusterNode];
  const calls = new Calls(cluster, ["OUTCOME_UNKNOWN"]);
  for (const key of keys) cluster.writeOutside(key, `old ${key}`);
  const writes = new Workload({ cluster, calls, chance, keys, mix: { set: 3, delete: 1, transaction: 1 } });
  const reads = new Workload({ cluster, calls, chance, keys, mix: { find: 4, getMany: 1 } });
  // It knows what it overwrites: its first attempt is the one that lands.
  await scheduler.complete(a.warp.getMany(keys));
  if (landsWithinMs > 0) a.store.maxMs = landsWithinMs;
  void writes.run(a, 2, 10);
  const readers = [b, c].map((node) => reads.run(node, 14, 1_500));
  await scheduler.advance(chance.next() * (landsWithinMs > 0 && chance.next() < 0.5 ? 2_500 : 25));
  cluster.crash(a);
  await scheduler.complete(Promise.all(readers));
  // From now on nobody is to be heard of any more; what the dead node sent has landed.
  await requireConsistentEnd(cluster, calls, keys, { quietMs: 7_000 + landsWithinMs });
};
