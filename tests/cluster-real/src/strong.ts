import { mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkHistory, countStaleReads, encodeHistory, type StaleReads, type Step } from "@warp/tests-histories";
import { seeded } from "@warp/tests-services/seeded";
import { makeCalls } from "./calls.ts";
import { Cluster } from "./cluster.ts";
import type { PlannedFault } from "./faults.ts";
import { HistoryLog } from "./history-log.ts";
import { type Combination, type DistributedMode, monotonicMs, type NodeSettings } from "./protocol.ts";
import { Truth } from "./settle.ts";
import type { Site } from "./site.ts";
import { groupsOf, keysOfGroup, StrongWorkload } from "./strong-workload.ts";
import { until } from "./until.ts";

export interface StrongOptions {
  readonly site: Site;
  readonly combination: Combination;
  readonly seed: number;
  readonly nodes: number;
  readonly quorum: number;
  /** How many calls in all. */
  readonly calls: number;
  readonly plan: readonly PlannedFault[];
  /** How the keys are kept. Default: strong. */
  readonly mode?: DistributedMode;
  /** Further settings of the node that is started as the so-manieth, from 1. */
  readonly settings?: (life: number) => Partial<NodeSettings>;
  /** Where the history is written. Default: a folder for temporary files, where something is wrong. */
  readonly folder?: string | undefined;
}

/** The figures of one run. */
export interface StrongFigures {
  readonly calls: number;
  readonly callsMs: number;
  readonly endings: Readonly<Record<string, number>>;
  readonly faults: readonly string[];
  /** Operations of the history, and those whose outcome nobody knows. */
  readonly operations: number;
  readonly unknown: number;
  readonly grants: number;
  /** What is wrong with the history. */
  readonly anomalies: readonly string[];
  readonly stale: StaleReads;
  /** How long it took after the last fault until every node could write, in ms. */
  readonly settledMs: number;
}

/** Calls that a node has at once: as many as a search for their order can bear. */
const atOnce = 3;
const settlesWithinMs = 90_000;
/** Every node's wall clock is wrong by up to this, in ms. */
const worstClockMs = 60_000;

/** Waits until every node can write a strong key of its own. */
const untilAllWrite = async (cluster: Cluster, log: HistoryLog): Promise<number> => {
  const before = monotonicMs();
  for (const node of cluster.nodes) {
    const entries = [[`strong:settled:${node.name}`, "yes"]] as const;
    const wrote = (): Promise<boolean> =>
      node.ask({ ask: "write", entries }).then(
        () => true,
        () => false,
      );
    if ((await until(wrote, settlesWithinMs)) === undefined) log.problem(`${node.name} cannot write`);
  }
  return monotonicMs() - before;
};

/** Every node reads every key in the end, and so does somebody who asks the store alone. */
const readAll = async (cluster: Cluster, log: HistoryLog, groups: number): Promise<void> => {
  await using truth = await Truth.of(cluster);
  for (let group = 0; group < groups; group += 1) {
    const { plain, sum } = keysOfGroup(group);
    const keys = [...plain, sum];
    const seen = async (process: string, read: () => Promise<readonly Step[]>): Promise<void> => {
      const start = monotonicMs();
      log.saw(process, await read(), start);
    };
    const steps = (values: readonly (string | number | null)[]): Step[] =>
      keys.map((key, at) => ({ kind: "read", key, value: values[at] ?? null }));
    await seen("store", async () => steps(await truth.values(keys)));
    for (const node of cluster.nodes) await seen(node.name, async () => steps(await node.ask({ ask: "values", keys })));
  }
};

const keep = (folder: string, name: string, log: HistoryLog): string => {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${name}.jsonl`);
  writeFileSync(file, encodeHistory(log));
  return file;
};

/**
 * Processes that make calls on strong keys while things go wrong; what they were answered, and what every node and the
 * store say in the end, is one history, which is judged.
 * @throws With the seed, what was done and everything that is wrong, but for what is wrong with the history.
 */
export const runStrong = async (options: StrongOptions): Promise<StrongFigures> => {
  const { site, combination, seed, nodes, quorum, calls, plan, mode = "strong-distributed", folder } = options;
  const log = new HistoryLog();
  const random = seeded(seed);
  const settings = (life: number): Partial<NodeSettings> => ({
    ...{ mode, quorum, clockOffsetMs: Math.round((2 * random() - 1) * worstClockMs) },
    ...options.settings?.(life),
  });
  const cluster = await Cluster.start({ site, combination, journal: log, seed, nodes, maxEntries: 1_000, settings });
  try {
    const workload = new StrongWorkload(seed);
    const startedAt = monotonicMs();
    const faults = await makeCalls(cluster, { calls, plan, atOnce, next: () => workload.next() });
    const callsMs = monotonicMs() - startedAt;
    const settledMs = await untilAllWrite(cluster, log);
    await readAll(cluster, log, groupsOf(calls));
    const { problems, operations, unknown } = checkHistory(log);
    const name = [seed, mode, ...Object.values(combination)].join("-");
    const isWrong = log.problems.length > 0 || problems.length > 0;
    const file = folder !== undefined || isWrong ? keep(folder ?? join(tmpdir(), "warp-histories"), name, log) : "";
    const told = [...faults.story, `how calls ended: ${JSON.stringify(Object.fromEntries(log.endings))}`, file];
    if (log.problems.length > 0)
      throw new Error([`seed ${seed} on ${name}:`, ...log.problems, "what was done:", ...told].join("\n  "));
    return {
      ...{ calls, callsMs, settledMs, operations, unknown, anomalies: problems, faults: told },
      endings: Object.fromEntries(log.endings),
      grants: log.locks.filter(({ event }) => event === "granted").length,
      stale: countStaleReads(log.operations),
    };
  } finally {
    await cluster.stop();
  }
};
