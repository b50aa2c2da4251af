import type { Warp } from "@warp/core";
import { Calls } from "../calls.ts";
import { requireConsistentEnd } from "../checks.ts";
import { Cluster, type ClusterNode } from "../cluster.ts";
import type { Scheduler } from "../scheduler.ts";
import type { SeededRandom } from "../seeded-random.ts";

const key = "k:1";

const register = (warp: Warp): void => {
  warp.register("k:*", { ttl: "10s", eagerRefresh: 0.5 });
};

type Run = (node: ClusterNode) => Promise<unknown>;

/** Every way in which a value comes into a node's tiers. */
const loadsOf = (cluster: Cluster, chance: SeededRandom): Readonly<Record<string, Run>> => {
  let made = 0;
  const load = async (): Promise<string> => {
    await cluster.scheduler.delay(chance.next() * 10);
    return `made${++made}`;
  };
  const loadMany = async ({ keys }: { readonly keys: readonly string[] }): Promise<Map<string, string>> =>
    new Map(await Promise.all(keys.map(async (name): Promise<[string, string]> => [name, await load()])));
  return {
    find: ({ warp }) => warp.find(key),
    refresh: ({ warp }) => warp.find(key, { refresh: true }),
    getMany: async ({ warp }) => (await warp.getMany([key, "k:2"])).get(key),
    getOrSet: ({ warp }) => warp.getOrSet(key, load),
    "getOrSet and refresh": ({ warp }) => warp.getOrSet(key, load, { refresh: true }),
    getOrSetMany: async ({ warp }) => (await warp.getOrSetMany([key, "k:2"], loadMany)).get(key),
  };
};

type Overtaker = (cluster: Cluster, node: ClusterNode) => Promise<unknown>;

/** What overtakes a load. Each leaves something newer in the store than what the load may have seen. */
const overtakers: Readonly<Record<string, Overtaker>> = {
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
  "end a lease": async (cluster, { warp }) => {
    const lease = await warp.grantLease({ ttl: "1h" });
    await warp.attachKey(lease, key);
    cluster.writeOutside(key, "new");
    return warp.revokeLease(lease);
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
  const loads = loadsOf(cluster, chance);
  const read = (node: ClusterNode): Promise<unknown> => {
    const how = chance.pick(Object.keys(loads));
    return calls.read(node, key, how, () => (loads[how] as Run)(node));
  };
  cluster.writeOutside(key, "old");
  if (chance.next() < 0.5) await scheduler.complete(Promise.all([a, b].map(({ warp }) => warp.find(key))));
  // Half of the time what is held is due for a refresh in the background.
  if (chance.next() < 0.5) await scheduler.advance(chance.pick([5_001, 9_990, 10_001]));
  const what = chance.pick(Object.keys(overtakers));
  const overtaker = chance.next() < 0.7 ? a : b;
  const overtake = async (): Promise<void> => {
    await scheduler.delay(chance.next() * 22);
    await calls.write(overtaker, key, what, () => (overtakers[what] as Overtaker)(cluster, overtaker));
    calls.raise(overtaker, key, Math.max(cluster.log.placeOf(key, "new"), cluster.log.placeOf(key, undefined)));
  };
  const later = async (): Promise<void> => {
    await scheduler.delay(chance.next() * 40);
    await read(chance.pick([a, a, b]));
  };
  await scheduler.complete(Promise.all([read(a), overtake(), ...Array.from({ length: 6 }, later)]));
  await requireConsistentEnd(cluster, calls, [key, "k:2"]);
};
