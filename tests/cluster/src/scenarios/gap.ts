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

/** Frames are lost, late, doubled or out of order, and what tells of it comes while fills and revalidations are under way. */
export const gap = async (scheduler: Scheduler): Promise<void> => {
  const chance = scheduler.random("scenario");
  const cluster = new Cluster(scheduler, { register, shared: chance.next() < 0.3 });
  const names = chance.next() < 0.5 ? ["a", "b"] : ["a", "b", "c"];
  const nodes = await cluster.startAll(...names);
  const [a, b] = nodes as [ClusterNode, ClusterNode];
  const calls = new Calls(cluster);
  const share = chance.pick([0.3, 0.6, 1]);
  const faults = scheduler.random("faults");
  cluster.lost = ({ from, to }) => from !== to && faults.next() < share;
  cluster.network.faults.delayMs = () => (faults.next() < 0.3 ? faults.next() * 1_500 : 0);
  cluster.network.faults.duplicate = () => faults.next() < 0.2;
  const writes = new Workload({ cluster, calls, chance, keys, mix: { set: 5, delete: 1, invalidate: 1 } });
  const reads = new Workload({ cluster, calls, chance, keys, mix: { find: 6, getMany: 1, refresh: 1 } });
  // Slow enough for a gap to be noticed between what the store said and its arrival.
  b.store.maxMs = chance.pick([5, 400, 900, 900]);
  const stop = scheduler.delay(chance.next() * 1_500).then(() => {
    cluster.lost = undefined;
  });
  await scheduler.complete(Promise.all([writes.run(a, 4, 500), reads.run(b, 12, 250), stop]));
  await requireConsistentEnd(cluster, calls, keys, { quietMs: 4_000 });
};
