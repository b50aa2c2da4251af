import type { MergeEngine, Warp } from "@warp/core";
import { sum } from "@warp/merge";
import { checkHistory, expiriesOf, type History, type Operation, timelineText } from "@warp/tests-histories";
import { Acknowledged } from "../acknowledged.ts";
import { makeTrouble, type TroubleKind } from "../chaos.ts";
import { Cluster, type ClusterNode } from "../cluster.ts";
import { contextOf } from "../internals.ts";
import type { Scheduler } from "../scheduler.ts";
import type { SeededRandom } from "../seeded-random.ts";
import { StrongWorkload } from "../strong-workload.ts";

const keys = ["s:1", "s:2"];
const counters = ["c:1"];
const quorum = 2;
const troubles: readonly TroubleKind[] = [
  ...(["partition", "loss", "disorder", "cut", "publishing", "store", "freeze", "clock", "crash"] as const),
];

interface Life {
  readonly storeTtl?: number;
}

/** Within a few calls, by the store's clock, in one of five seeds. */
const lifeOf = (chance: SeededRandom): Life => (chance.next() < 0.2 ? { storeTtl: chance.integer(50, 500) } : {});

/** What was called, and what the store may have done by itself. */
const historyOf = ({ recorder: { operations, locks } }: StrongWorkload, { storeTtl }: Life): History => {
  const expiries = expiriesOf(operations, (key) => (keys.includes(key) ? storeTtl : undefined));
  return { operations: [...operations, ...expiries], locks };
};

const register =
  (mixed: ReadonlySet<string>, life: Life) =>
  (warp: Warp, node: string): void => {
    const mode = mixed.has(node) ? "eventual-distributed" : "strong-distributed";
    warp.register("s:*", { mode, ttl: "2s", ...life });
    warp.register("c:*", { mode, ttl: "1h", merge: sum() as MergeEngine });
    warp.register("l:*", { mode: "strong-distributed", ttl: "1h" });
    warp.register("k:*", { ttl: "1h" });
    for (const pattern of mixed.has(node) ? ["l:*"] : ["s:*", "c:*", "l:*"]) warp.setQuorum(pattern, quorum);
  };

/** What is wrong with a history, and the history. */
export class WrongHistory extends Error {
  readonly operations: readonly Operation[];

  constructor(wrong: readonly string[], operations: readonly Operation[]) {
    super(`the strong mode says otherwise:\n${wrong.join("\n")}\n\n${timelineText(operations)}\n`);
    this.operations = operations;
  }
}

/** What strong writes leave behind when all have ended: nothing. */
const leftovers = ({ name, warp }: ClusterNode): readonly string[] => {
  const { fills, flights, locks, background, fences, strong } = contextOf(warp);
  const counts = {
    fills: fills.size,
    flights: flights.size,
    locks: locks.size,
    background: background.size,
    fences: fences.size,
    rounds: (strong as unknown as { readonly waiting: number } | undefined)?.waiting ?? 0,
    outbox: warp.status().outbox,
  };
  return Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([what, count]) => `${name} still holds ${count} ${what}`);
};

/** Strong keys under every kind of trouble: the history is linearizable, whoever acknowledged held no copy, nothing is left. */
export const strong = (scheduler: Scheduler): Promise<void> => strongTold(scheduler, () => {});

/** The same. @param tell Is given the history, whatever is to be said of it. */
export const strongTold = async (
  scheduler: Scheduler,
  tell: (operations: readonly Operation[]) => void,
): Promise<void> => {
  const chance = scheduler.random("scenario");
  const names = ["a", "b", "c", "d"].slice(0, chance.integer(2, 4));
  // In the middle of a change of registrations, one node is behind.
  const mixed: ReadonlySet<string> = new Set(names.length > 2 && chance.next() < 0.15 ? [chance.pick(names)] : []);
  const life = lifeOf(scheduler.random("expiry"));
  const cluster = new Cluster(scheduler, { register: register(mixed, life), landsWithinMs: chance.pick([0, 500]) });
  const seen = new Acknowledged(cluster, quorum);
  for (const name of names) {
    const [skewMs, driftPerMs] = [chance.integer(-5_000, 5_000), (chance.next() - 0.5) / 500];
    const whileDeaf = chance.pick(["revalidate", "serve", "bypass"] as const);
    cluster.start(name, { localEntries: chance.pick([2, 100]), skewMs, driftPerMs, warp: { whileDeaf } });
  }
  await cluster.ready();
  const isLoading = chance.next() < 0.25;
  const workload = new StrongWorkload({
    ...{
      cluster,
      chance,
      keys,
      counters,
      locks: ["l:1"],
      beside: "k:1",
      mixed,
      isLoading,
      hasty: chance.pick([0, 0.2]),
    },
  });
  // Commits of loads whose replies come after others have written again.
  if (isLoading) chance.pick(cluster.live).store.maxMs = 300;
  const working = new Set<ClusterNode>();
  const work = (node: ClusterNode): void => {
    working.add(node);
    void workload.run(node, isLoading ? 20 : 10, chance.pick([20, 400])).then(() => working.delete(node));
  };
  for (const node of cluster.live) work(node);
  const note = (told: string): void => scheduler.note(told);
  const onRestart = (node: ClusterNode): void => {
    seen.forget(node.name);
    work(node);
  };
  let isOver = false;
  void makeTrouble({ cluster, chance: scheduler.random("trouble"), note, kinds: troubles, onRestart }, 3).then(() => {
    isOver = true;
  });
  const watched = (until: () => boolean) => (): boolean => {
    seen.check();
    return until();
  };
  await scheduler.run({ until: watched(() => isOver), maxVirtualMs: 120_000 });
  cluster.heal();
  const isBusy = (): boolean => [...working].some(({ clock }) => clock.state !== "crashed");
  await scheduler.run({ until: watched(() => !isBusy()), maxVirtualMs: 120_000 });
  await scheduler.advance(12_000);
  const left = (): readonly string[] => cluster.live.flatMap(leftovers);
  // What nodes do by the clock may just be under way.
  for (let tries = 0; tries < 20 && left().length > 0; tries++) await scheduler.advance(50);
  const history = historyOf(workload, life);
  tell(history.operations);
  const wrong = [...workload.failures, ...seen.problems.slice(0, 3), ...checkHistory(history).problems, ...left()];
  if (wrong.length > 0) throw new WrongHistory(wrong, history.operations);
};
