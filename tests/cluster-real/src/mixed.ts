import { makeCalls } from "./calls.ts";
import { Journal } from "./checks.ts";
import { Cluster } from "./cluster.ts";
import type { PlannedFault } from "./faults.ts";
import type { Combination } from "./protocol.ts";
import { settle } from "./settle.ts";
import type { Site } from "./site.ts";
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
  /** As in `ClusterOptions`. */
  readonly olderWorker?: string | undefined;
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

const named = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, at) => `${prefix}:${at}`);

/**
 * A cluster under a mixed workload and a plan of faults; then everything is healed, and what must hold is checked.
 * @throws With the seed, what was done and everything that is wrong.
 */
export const runMixed = async (options: MixedOptions): Promise<MixedFigures> => {
  const { site, combination, seed, nodes, calls, olderWorker } = options;
  const journal = new Journal();
  const cluster = await Cluster.start({ site, combination, journal, seed, nodes, maxEntries: 1_000, olderWorker });
  const keys = { plainKeys: named("plain", options.plainKeys ?? 100), counters: named("count", 8) };
  try {
    const startedAt = performance.now();
    const workloads = Array.from(
      { length: nodes },
      (_, place) =>
        new Workload({
          ...keys,
          ...{ seed: seed * 1_000 + place, node: `w${place}`, pauseMs: 15 },
        }),
    );
    const faults = await makeCalls(cluster, {
      calls,
      plan: options.plan,
      atOnce,
      next: (place) => (workloads[place] as Workload).next(),
    });
    const callsMs = performance.now() - startedAt;
    const { settledMs, counts } = await settle(cluster, journal, [...keys.plainKeys, ...keys.counters]);
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
