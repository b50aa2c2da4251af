import type { Warp } from "@warp/core";
import { Calls } from "../calls.ts";
import { requireConsistentEnd } from "../checks.ts";
import { Cluster, type ClusterNode } from "../cluster.ts";
import type { Scheduler } from "../scheduler.ts";

const key = "k:1";

const register = (warp: Warp): void => {
  warp.register("k:*", { ttl: "10s", eagerRefresh: 0.5 });
};

type Run = (node: ClusterNode) => Promise<unknown>;

/** Every way in which a value comes into a node's tiers. */
const loads: Record<string, Run> = {
  find: ({ warp }) => warp.find(key),
  refresh: ({ warp }) => warp.find(key, { refresh: true }),
  getMany: async ({ warp }) => (await warp.getMany([key, "k:2"])).get(key),
};

/** What overtakes a load. Each leaves something newer in the store than what the load may have seen. */
const overtakers: Record<string, (cluster: Cluster, node: ClusterNode) => Promise<unknown>> = {
  set: (_, { warp }) => warp.set(key, "new"),
  delete: (_, { warp }) => warp.delete(key),
  transaction: (_, { warp }) => warp.transaction((txn) => txn.set(key, "new")),
  setMany: (_, { warp }) => warp.setMany([[key, "new"]]),
  invalidate: (cluster, { warp }) => {
    cluster.writeOutside(key, "new");
    return warp.invalidate(key);
  },
  "invalidate a deleted key": (cluster, { warp }) => {
    cluster.writeOutside(key, undefined);
    return warp.invalidate(key);
  },
  clear: (cluster, { warp }) => {
    cluster.writeOutside(key, "new");
    return warp.clear();
  },
  unregister: async (cluster, { warp }) => {
    cluster.writeOutside(key, "new");
    await warp.unregister("k:*");
    register(warp);
    await warp.invalidate(key);
  },
};

/** A load, and at a moment of the seed's choice, on the same node or another, something that overtakes it. */
export const overtakenLoad = async (scheduler: Scheduler): Promise<void> => {
  const chance = scheduler.random("scenario");
  const cluster = new Cluster(scheduler, { register, shared: chance.next() < 0.6 });
  const [a, b] = (await cluster.startAll("a", "b")) as [ClusterNode, ClusterNode];
  if (chance.next() < 0.5) cluster.start("witness", { localEntries: 0 });
  await cluster.ready();
  const calls = new Calls(cluster);
  const how = chance.pick(Object.keys(loads));
  const load = loads[how] as Run;
  cluster.writeOutside(key, "old");
  if (chance.next() < 0.5) await scheduler.complete(Promise.all([a, b].map(({ warp }) => warp.find(key))));
  // Half of the time what is held is due for a refresh in the background.
  if (chance.next() < 0.5) await scheduler.advance(chance.pick([5_001, 9_990, 10_001]));
  const what = chance.pick(Object.keys(overtakers));
  const overtaker = chance.next() < 0.7 ? a : b;
  const started = scheduler.nowMs;
  const work: Promise<unknown>[] = [calls.read(a, key, how, () => load(a))];
  const overtake = async (): Promise<void> => {
    await scheduler.delay(chance.next() * 22);
    await calls.write(overtaker, key, what, () => (overtakers[what] as (typeof overtakers)["set"])(cluster, overtaker));
    // Whatever was called, the store holds something newer than what it held when it was called.
    calls.raise(overtaker, key, 2);
  };
  work.push(overtake());
  for (let reader = 0; reader < 6; reader++) {
    work.push(
      (async () => {
        await scheduler.delay(chance.next() * 40);
        const name = chance.pick(Object.keys(loads));
        const node = chance.pick([a, a, b]);
        await calls.read(node, key, name, () => (loads[name] as Run)(node));
      })(),
    );
  }
  await scheduler.complete(Promise.all(work));
  scheduler.note(`the load took ${(scheduler.nowMs - started).toFixed(1)} ms`);
  await requireConsistentEnd(cluster, calls, [key, "k:2"]);
};
