import type { Warp } from "@warp/core";
import { Calls } from "../calls.ts";
import { requireConsistentEnd } from "../checks.ts";
import { Cluster, type ClusterNode } from "../cluster.ts";
import type { Scheduler } from "../scheduler.ts";
import type { SeededRandom } from "../seeded-random.ts";
import { Workload } from "../workload.ts";

const keys = ["k:1", "k:2", "k:3"];

const register = (warp: Warp): void => {
  warp.register("k:*", { ttl: "1h" });
};

/** Something that happens to the shared tier, or to a process between its read and its put. */
const disturb = async (cluster: Cluster, chance: SeededRandom, fillers: readonly ClusterNode[]): Promise<void> => {
  const { scheduler } = cluster;
  const filler = chance.pick(fillers);
  const { sharedCache } = chance.pick(cluster.nodes);
  await scheduler.delay(chance.next() * 60);
  const what = chance.pick(["freeze", "reconnect", "evict", "slow"]);
  scheduler.note(`${what} ${filler.name}`);
  if (what === "freeze") {
    scheduler.freeze(filler.clock);
    await scheduler.delay(chance.next() * 200);
    scheduler.thaw(filler.clock);
  } else if (what === "reconnect") {
    sharedCache?.disconnect();
    await scheduler.delay(chance.next() * 10);
    sharedCache?.reconnect();
  } else if (what === "evict") cluster.sharedData.slots.delete(chance.pick(keys));
  else filler.shared.maxMs = 150;
};

/** Two writers and two fillers on the slots of a shared tier that is too small, with fillers that are held up. */
export const sharedSlot = async (scheduler: Scheduler): Promise<void> => {
  const chance = scheduler.random("scenario");
  const cluster = new Cluster(scheduler, { register, shared: true, sharedSlots: chance.pick([2, 3, 10]) });
  const writers = ["writer1", "writer2"].map((name) => cluster.start(name));
  const localEntries = chance.pick([0, 2]);
  const fillers = ["filler1", "filler2"].map((name) => cluster.start(name, { localEntries }));
  await cluster.ready();
  const calls = new Calls(cluster);
  const writes = new Workload({ cluster, calls, chance, keys, mix: { set: 4, delete: 1, invalidate: 1, find: 2 } });
  const fills = new Workload({ cluster, calls, chance, keys, mix: { find: 6, refresh: 1, getMany: 2 } });
  for (const { shared } of fillers) shared.maxMs = chance.pick([2, 40]);
  await scheduler.complete(
    Promise.all([
      ...writers.map((node) => writes.run(node, 4, 25)),
      ...fillers.map((node) => fills.run(node, 6, 20)),
      disturb(cluster, chance, fillers),
      disturb(cluster, chance, fillers),
    ]),
  );
  await requireConsistentEnd(cluster, calls, keys);
};
