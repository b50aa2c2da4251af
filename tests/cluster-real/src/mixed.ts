import { Journal } from "./checks.ts";
import { Cluster } from "./cluster.ts";
import { FaultRunner, type PlannedFault } from "./faults.ts";
import type { Combination } from "./protocol.ts";
import { settle } from "./settle.ts";
import type { Site } from "./site.ts";
import { until } from "./until.ts";
import { Workload } from "./workload.ts";

export interface MixedOptions {
  readonly site: Site;
  readonly combination: Combination;
  readonly seed: number;
  readonly nodes: number;
  /** How many calls in all. */
  readonly calls: number;
  readonly plan: readonly PlannedFault[];
  readonly plainKeys?: number;
}

/** The figures of one run. */
export interface MixedFigures {
  readonly calls: number;
  /** How long the calls took, in ms. */
  readonly callsMs: number;
  readonly endings: Readonly<Record<string, number>>;
  readonly faults: readonly string[];
  /** How long it took after the last fault until every node agreed with the store, in ms. */
  readonly settledMs: number;
  /** What the nodes counted, summed. */
  readonly counts: Readonly<Record<string, number>>;
}

/** Calls that a node has at once. */
const atOnce = 16;
/** After every fault is over, every call ends within this: the longest loader and a write, and a busy machine. */
const endsWithinMs = 60_000;

const named = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, at) => `${prefix}:${at}`);

/** Makes the calls of every node's workload; resolves when all have ended, and all faults are over. */
const runCalls = async (cluster: Cluster, { calls, plan, seed }: MixedOptions, keys: Keys): Promise<FaultRunner> => {
  const { combination, nodes } = cluster.options;
  const faults = new FaultRunner(cluster, plan);
  const workloads = Array.from(
    { length: nodes },
    (_, place) =>
      new Workload({
        ...keys,
        ...{ seed: seed * 1_000 + place, node: `w${place}`, atomicBatch: combination.store === "pg", pauseMs: 15 },
      }),
  );
  let left = calls;
  const fill = (): void => {
    workloads.forEach((workload, place) => {
      if (!cluster.takes(place)) return;
      const room = Math.min(left, atOnce - cluster.openOn(place));
      if (room <= 0) return;
      left -= room;
      cluster.send(
        place,
        Array.from({ length: room }, () => workload.next()),
      );
    });
  };
  cluster.onEnded = (ended) => {
    faults.reached(ended);
    fill();
  };
  fill();
  // A node that came back, or took a dead one's place, has nothing that ends and would call for more.
  const refill = setInterval(fill, 100);
  try {
    await until(() => left === 0, 600_000);
    await faults.finish();
  } finally {
    clearInterval(refill);
  }
  if ((await until(() => cluster.openCalls.length === 0, endsWithinMs)) === undefined)
    cluster.options.journal.problem(`never ended: ${cluster.openCalls.slice(0, 5).join("; ")}`);
  return faults;
};

interface Keys {
  readonly plainKeys: readonly string[];
  readonly counters: readonly string[];
}

/**
 * A cluster under a mixed workload and a plan of faults; then everything is healed, and what must hold is checked.
 * @throws With the seed, what was done and everything that is wrong.
 */
export const runMixed = async (options: MixedOptions): Promise<MixedFigures> => {
  const { site, combination, seed, nodes, calls } = options;
  const journal = new Journal();
  const cluster = await Cluster.start({ site, combination, journal, seed, nodes, maxEntries: 1_000 });
  const keys = { plainKeys: named("plain", options.plainKeys ?? 100), counters: named("count", 8) };
  try {
    const startedAt = performance.now();
    const faults = await runCalls(cluster, options, keys);
    const callsMs = performance.now() - startedAt;
    const { settledMs, counts } = await settle(cluster, [...keys.plainKeys, ...keys.counters]);
    if (journal.problems.length > 0)
      throw new Error(
        [
          `seed ${seed} on ${Object.values(combination).join(" + ")}:`,
          ...journal.problems,
          "what was done:",
          ...faults.story,
          `how calls ended: ${JSON.stringify(Object.fromEntries(journal.endings))}`,
          `what the nodes counted: ${JSON.stringify(counts)}`,
        ].join("\n  "),
      );
    return { calls, callsMs, endings: Object.fromEntries(journal.endings), faults: faults.story, settledMs, counts };
  } finally {
    await cluster.stop();
  }
};
