import { type Warp, WarpError } from "@warp/core";
import { sum } from "@warp/merge";
import { Calls } from "../calls.ts";
import { makeTrouble } from "../chaos.ts";
import { requireConsistentEnd } from "../checks.ts";
import { Cluster, type ClusterNode } from "../cluster.ts";
import type { Scheduler } from "../scheduler.ts";
import type { SeededRandom } from "../seeded-random.ts";
import { Workload } from "../workload.ts";

const localCounters = ["l:1", "l:2"];

const register = (warp: Warp): void => {
  warp.register("l:*", { mode: "strong-local", ttl: "1h", merge: sum() });
  // Without `combine`: what waits for the store is kept one by one.
  warp.register("l:2", { mode: "strong-local", ttl: "1h", merge: sum({ fractions: true }) });
  warp.register("own:*", { mode: "strong-local", ttl: "1h" });
  warp.register("k:*", { ttl: "1h" });
};

interface Writer {
  readonly node: ClusterNode;
  /** Nobody else writes it. */
  readonly key: string;
  /** The last number that was set. */
  last: number;
}

/** Reads what the node itself wrote: what it had set when the read began, or later. */
const readOwn = async (calls: Calls, chance: SeededRandom, { node, key, last: least }: Writer): Promise<void> => {
  const how = chance.pick(["find", "refresh", "getMany", "invalidate"]);
  calls.note(`${node.name} ${how} ${key}, which is ${least}`);
  if (how === "invalidate") void calls.watch(node, how, node.warp.invalidate(key));
  // Others come and go, so that the local tier evicts what it may.
  if (how === "getMany") void calls.watch(node, how, node.warp.getMany(["k:1", "k:2", "k:3"]));
  const value = await calls.watch(node, how, node.warp.find(key, how === "refresh" ? { refresh: true } : {}));
  calls.note(`${node.name} ${how} ${key} -> ${String(value)}`);
  if (!WarpError.is(value) && ((value as number | undefined) ?? 0) < least)
    calls.failures.push(`${how} ${key} on ${node.name} answered ${String(value)} after ${least} was set`);
};

/** A node reads what it wrote, at once and ever after, whatever the store does. */
const writeAndRead = async (cluster: Cluster, calls: Calls, chance: SeededRandom, writer: Writer): Promise<void> => {
  const { node, key } = writer;
  const open: Promise<void>[] = [];
  for (let turn = 0; turn < 16; turn++) {
    await cluster.scheduler.delay(chance.next() * chance.pick([5, 200]), node.clock);
    if (chance.next() < 0.5) {
      const next = writer.last + 1;
      const result = await calls.watch(node, `set ${key} ${next}`, node.warp.set(key, next));
      if (!WarpError.is(result)) writer.last = next;
      continue;
    }
    const reading = readOwn(calls, chance, writer);
    if (chance.next() < 0.5) await reading;
    else open.push(reading);
  }
  await Promise.all(open);
};

/** Writes that go to the local tier at once and to the store later, with a store that fails, and a tier that evicts. */
export const writeBehind = async (scheduler: Scheduler): Promise<void> => {
  const chance = scheduler.random("scenario");
  const cluster = new Cluster(scheduler, {
    register,
    shared: chance.next() < 0.5,
    landsWithinMs: chance.pick([0, 1_000]),
  });
  const nodes = ["a", "b"].map((name) =>
    cluster.start(name, { localEntries: 2, warp: { maxDirty: chance.pick([4, 100]) } }),
  );
  for (const outside of ["k:1", "k:2", "k:3"]) cluster.writeOutside(outside, outside);
  await cluster.ready();
  const calls = new Calls(cluster, ["OVERLOADED", "UNAVAILABLE", "DEADLINE_EXCEEDED", "OUTCOME_UNKNOWN", "ABORTED"]);
  const mix = { localIncrement: 4 };
  const workload = new Workload({ cluster, calls, chance, keys: [], localCounters, mix });
  for (const node of nodes) void workload.listen(node);
  const writers = nodes.map((node): Writer => ({ node, key: `own:${node.name}`, last: 0 }));
  const trouble = makeTrouble(
    {
      cluster,
      chance: scheduler.random("trouble"),
      note: (text) => calls.note(text),
      kinds: ["store", "shared", "loss"],
      longestMs: 1_500,
    },
    chance.integer(0, 2),
  );
  // So much by others that the store no longer remembers what became of an attempt.
  const storm = async (): Promise<void> => {
    await scheduler.delay(chance.next() * 1_500);
    workload.addOutside(chance.pick(localCounters), chance.pick([1, 20]));
  };
  const work = [
    storm(),
    storm(),
    ...nodes.map((node) => workload.run(node, 10, 150)),
    ...writers.map((writer) => writeAndRead(cluster, calls, chance, writer)),
  ];
  await scheduler.complete(trouble);
  cluster.heal();
  await scheduler.complete(Promise.all(work), { maxVirtualMs: 120_000 });
  await scheduler.complete(Promise.all(nodes.map(({ warp }) => warp.flush({ timeout: "1m" }))));
  const wrongOwn = (): string[] =>
    writers.flatMap(({ key, last }) =>
      (cluster.log.valueNow(key) ?? 0) === last
        ? []
        : [`${key} must be ${last}: ${JSON.stringify(cluster.log.history(key))}`],
    );
  await requireConsistentEnd(
    cluster,
    calls,
    writers.map(({ key }) => key),
    {
      quietMs: 3_000,
      wrong: () => [...workload.wrong(), ...wrongOwn()],
    },
  );
};
