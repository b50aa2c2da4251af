import type { LoadOptions, Warp } from "@warp/core";
import { Calls } from "../calls.ts";
import { requireConsistentEnd } from "../checks.ts";
import { Cluster, type ClusterNode } from "../cluster.ts";
import type { Scheduler } from "../scheduler.ts";
import { Origin } from "../store-log.ts";

const key = "k:1";
const other = "k:2";

const register = (warp: Warp): void => {
  warp.register("k:*", { ttl: "10s", eagerRefresh: 0.5, negativeTtl: "10s" });
};

type Load = (node: ClusterNode, options?: LoadOptions) => Promise<unknown>;

/** Loads of an origin that no store keeps. */
const loadsFrom = (
  origin: Origin,
  wait: (node: ClusterNode) => Promise<void>,
): { readonly one: Load; readonly all: Record<string, Load> } => {
  const one: Load = (node, options = {}) => {
    const load = async (): Promise<unknown> => {
      await wait(node);
      const value = origin.valueNow(key);
      await wait(node);
      return value;
    };
    return node.warp.getOrSet(key, load, { persist: "none", ...options });
  };
  const many: Load = async (node) => {
    const load = async ({ keys }: { readonly keys: readonly string[] }): Promise<Map<string, unknown>> => {
      const values = new Map(keys.map((name) => [name, origin.valueNow(name)]));
      await wait(node);
      return values;
    };
    return (await node.warp.getOrSetMany([key, other], load, { persist: "none" })).get(key);
  };
  return { one, all: { getOrSet: one, refresh: (node) => one(node, { refresh: true }), getOrSetMany: many } };
};

const overtakers: Record<string, (node: ClusterNode) => Promise<unknown>> = {
  invalidate: ({ warp }) => warp.invalidate(key),
  clear: ({ warp }) => warp.clear(),
  unregister: async ({ warp }) => {
    await warp.unregister("k:*");
    register(warp);
    await warp.invalidate(key);
  },
};

/** A loader reads its origin, and something drops the key before what it read has arrived in the caches. */
export const overtakenLoader = async (scheduler: Scheduler): Promise<void> => {
  const chance = scheduler.random("scenario");
  const origin = new Origin();
  const stored = chance.next() < 0.5;
  const cluster = new Cluster(scheduler, { register, origin, stored, shared: chance.next() < 0.6 });
  const [a, b] = (await cluster.startAll("a", "b")) as [ClusterNode, ClusterNode];
  const calls = new Calls(cluster);
  const { one, all } = loadsFrom(origin, ({ clock }) => scheduler.delay(chance.next() * 10, clock));
  const read = (node: ClusterNode): Promise<unknown> => {
    const how = chance.pick(Object.keys(all));
    return calls.read(node, key, how, () => (all[how] as Load)(node));
  };
  origin.write(key, "old");
  origin.write(other, "other");
  if (chance.next() < 0.5) await scheduler.complete(Promise.all([a, b].map(read)));
  if (chance.next() < 0.5) await scheduler.advance(chance.pick([5_001, 9_990, 10_001]));
  const overtaker = chance.next() < 0.7 ? a : b;
  const overtake = async (): Promise<void> => {
    await scheduler.delay(chance.next() * 30);
    origin.write(key, chance.next() < 0.8 ? "new" : undefined);
    const what = chance.pick(Object.keys(overtakers));
    await calls.write(overtaker, key, what, () => (overtakers[what] as (typeof overtakers)["clear"])(overtaker));
  };
  const later = async (): Promise<void> => {
    await scheduler.delay(chance.next() * 50);
    await read(chance.pick([a, a, b]));
  };
  await scheduler.complete(Promise.all([read(a), overtake(), ...Array.from({ length: 6 }, later)]));
  await requireConsistentEnd(cluster, calls, [key], { read: (node) => one(node) });
};
