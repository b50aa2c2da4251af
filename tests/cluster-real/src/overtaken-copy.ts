import { checkHistory, countStaleReads } from "@warp/tests-histories";
import { Cluster } from "./cluster.ts";
import { spoilLine } from "./faults.ts";
import { HistoryLog } from "./history-log.ts";
import type { Combination, DistributedMode, Operation } from "./protocol.ts";
import type { Site } from "./site.ts";
import { until } from "./until.ts";

const key = "strong:overtaken";
const endsWithinMs = 30_000;

/**
 * A process that has a copy and hears nothing any more is asked, before it can know that it is deaf, for what another has
 * changed. Where its keys are strong it says what is stored; where they are not, it serves the copy, and that is noticed.
 * @returns What is wrong with the history, and how many reads were stale.
 */
export const readOvertakenCopy = async (
  site: Site,
  combination: Combination,
  mode: DistributedMode,
): Promise<{ readonly anomalies: readonly string[]; readonly stale: number; readonly problems: readonly string[] }> => {
  const log = new HistoryLog();
  const settings = () => ({ mode, quorum: 2 });
  const cluster = await Cluster.start({
    ...{ site, combination, journal: log, seed: 1, nodes: 3, maxEntries: 100, settings },
  });
  const make = async (place: number, call: Extract<Operation, { kind: "call" }>["call"]): Promise<void> => {
    cluster.send(place, [{ kind: "call", call }]);
    if ((await until(() => cluster.openCalls.length === 0, endsWithinMs, 1)) === undefined)
      log.problem(`never ended: ${cluster.openCalls.join("; ")}`);
  };
  try {
    // Its own write leaves it a copy. One that it read might be dropped again, by news of the write that it read.
    await make(2, { call: "set", key, value: "old" });
    const mend = await spoilLine("bus", "drop", 2).begin(cluster);
    await make(0, { call: "set", key, value: "new" });
    await make(2, { call: "find", key });
    await mend();
    const { stale } = countStaleReads(log.operations);
    return { anomalies: checkHistory(log).problems, stale, problems: log.problems };
  } finally {
    await cluster.stop();
  }
};
