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

/** A node that comes back under its name, after a crash or a goodbye, and whose first frames are lost. */
export const restart = async (scheduler: Scheduler): Promise<void> => {
  const chance = scheduler.random("scenario");
  const cluster = new Cluster(scheduler, { register, shared: chance.next() < 0.4 });
  const [a, b] = (await cluster.startAll("a", "b", ...(chance.next() < 0.3 ? ["c"] : []))) as [
    ClusterNode,
    ClusterNode,
  ];
  const calls = new Calls(cluster, ["CLOSED"]);
  const writes = new Workload({ cluster, calls, chance, keys, mix: { set: 1 } });
  const reads = new Workload({ cluster, calls, chance, keys, mix: { find: 1 } });
  for (const key of keys) cluster.writeOutside(key, `old ${key}`);
  await scheduler.complete(b.warp.getMany(keys));
  const late = scheduler.random("late");
  if (chance.next() < 0.3)
    cluster.network.faults.delayMs = ({ from }) => (from === "a" && late.next() < 0.3 ? late.next() * 3_000 : 0);
  const reader = reads.run(b, 16, 400);
  const first = writes.run(a, 2, 20);
  if (chance.next() < 0.7) {
    await scheduler.advance(chance.next() * 40);
    cluster.crash(a);
    await scheduler.advance(chance.next() * 1_500);
  } else {
    await scheduler.complete(first);
    await scheduler.complete(a.warp.close());
    cluster.crash(a);
    await scheduler.advance(chance.next() * 100);
  }
  cluster.network.reconnect("a");
  const again = cluster.start("a");
  let mute = chance.next() < 0.7;
  cluster.lost = ({ from, to }) => mute && from === "a" && to !== "a";
  await scheduler.complete(again.warp.ready());
  await scheduler.complete(writes.run(again, chance.pick([0, 0, 1, 3]), 20));
  await scheduler.advance(chance.next() * 200);
  mute = false;
  await scheduler.complete(Promise.all([writes.run(again, chance.pick([0, 0, 2]), 20), reader]));
  await requireConsistentEnd(cluster, calls, keys, { quietMs: 7_500 });
};
