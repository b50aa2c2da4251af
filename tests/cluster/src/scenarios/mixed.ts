import type { RegisterOptions, Warp } from "@warp/core";
import { sum } from "@warp/merge";
import { Calls } from "../calls.ts";
import { makeTrouble } from "../chaos.ts";
import { requireConsistentEnd } from "../checks.ts";
import { Cluster, type ClusterNode } from "../cluster.ts";
import type { Scheduler } from "../scheduler.ts";
import type { SeededRandom } from "../seeded-random.ts";
import { type Mix, Workload } from "../workload.ts";

const keys = ["k:1", "k:2", "k:3"];
const counters = ["n:1", "n:2"];
const localCounters = ["l:1", "l:2"];

type Policy = Pick<RegisterOptions, "failSafe" | "softTimeout">;

/** What may be served of an old copy when there is no new one: never one that was overtaken. */
const policies: readonly Policy[] = [{}, { failSafe: "1h" }, { failSafe: "1h", softTimeout: 20 }];

const registerAs =
  (policy: Policy) =>
  (warp: Warp): void => {
    warp.register("k:*", { ttl: "3s", eagerRefresh: 0.3, negativeTtl: "3s", ...policy });
    warp.register("n:*", { ttl: "1h", merge: sum() });
    warp.register("l:*", { mode: "strong-local", ttl: "1h", merge: sum() });
  };

const mix: Mix = {
  find: 6,
  getMany: 2,
  refresh: 1,
  getOrSet: 2,
  set: 4,
  setMany: 1,
  delete: 2,
  invalidate: 1,
  transaction: 1,
  increment: 3,
  incrementMany: 1,
  localIncrement: 3,
};

const mayFailWith = ["OUTCOME_UNKNOWN", "UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED", "OVERLOADED", "CLOSED"];

const startNodes = (cluster: Cluster, chance: SeededRandom): void => {
  for (const name of ["a", "b", "c"].slice(0, chance.integer(2, 3))) {
    const [skewMs, driftPerMs] = [chance.integer(-5_000, 5_000), (chance.next() - 0.5) / 500];
    const warp = {
      whileDeaf: chance.pick(["revalidate", "serve", "bypass"] as const),
      onCacheError: chance.pick(["miss", "reject"] as const),
    };
    cluster.start(name, { localEntries: chance.pick([3, 100]), skewMs, driftPerMs, warp });
  }
  if (chance.next() < 0.3) cluster.start("witness", { localEntries: 1 });
};

/** Everything at once: several nodes, every kind of call, and trouble; then all is healed, and everybody must agree. */
export const mixed = async (scheduler: Scheduler): Promise<void> => {
  const chance = scheduler.random("scenario");
  const shared = chance.next() < 0.7;
  const landsWithinMs = chance.pick([0, 500]);
  const register = registerAs(chance.pick(policies));
  const cluster = new Cluster(scheduler, { register, shared, landsWithinMs, sharedSlots: chance.pick([4, 100]) });
  startNodes(cluster, chance);
  await cluster.ready();
  const calls = new Calls(cluster, mayFailWith);
  const hasty = chance.pick([0, 0.2]);
  const workload = new Workload({ cluster, calls, chance, keys, counters, localCounters, mix, hasty });
  const working = new Set<ClusterNode>();
  const work = (node: ClusterNode): void => {
    working.add(node);
    void workload.listen(node);
    void workload.run(node, 12, 1_200).then(() => working.delete(node));
  };
  for (const node of cluster.live) work(node);
  const note = (text: string): void => {
    if (text.startsWith("rollback")) calls.excuseReads();
    calls.note(text);
  };
  const options = { cluster, chance: scheduler.random("trouble"), note, onRestart: work, calls };
  await scheduler.complete(makeTrouble(options, 4), { maxVirtualMs: 120_000 });
  cluster.heal();
  const isBusy = (): boolean => [...working].some(({ clock }) => clock.state !== "crashed");
  await scheduler.run({ until: () => !isBusy(), maxVirtualMs: 120_000 });
  const wrong = (): readonly string[] => workload.wrong();
  await requireConsistentEnd(cluster, calls, [...keys, ...counters], { quietMs: 9_000, wrong });
};
