import { type Call, checkHistory } from "@warp/tests-histories";
import { Cluster } from "./cluster.ts";
import { spoilLine } from "./faults.ts";
import { HistoryLog } from "./history-log.ts";
import { type Combination, monotonicMs, type Values } from "./protocol.ts";
import { Truth } from "./settle.ts";
import type { Site } from "./site.ts";
import { until } from "./until.ts";

export interface QuorumLossFigures {
  /** How the writes ended that were made without a quorum, by error code. */
  readonly refused: Readonly<Record<string, number>>;
  /** What the store holds after them, and what it held before. */
  readonly stored: Values;
  readonly before: Values;
  /** What each node said meanwhile. */
  readonly read: readonly Values[];
  /** From the healing until the first write was taken, in ms; `undefined` if none was. */
  readonly backMs: number | undefined;
  readonly problems: readonly string[];
}

const nodes = 5;
const quorum = 3;
const keys = ["strong:quorum:a", "strong:quorum:b", "strong:quorum:c"];
const [a = "", b = "", c = ""] = keys;
const hardTimeout = 8_000;
const endsWithinMs = 30_000;

const writes: readonly Call[] = [
  { call: "set", key: a, value: "refused-1" },
  { call: "delete", key: b },
  {
    call: "setMany",
    entries: [
      [b, "refused-2"],
      [c, "refused-3"],
    ],
  },
  {
    call: "transaction",
    reads: a,
    entries: [
      [a, "refused-4"],
      [c, "refused-5"],
    ],
  },
  { call: "compareAndSwap", key: a, value: "refused-6" },
];

const ended = async (cluster: Cluster): Promise<void> => {
  await until(() => cluster.openCalls.length === 0, endsWithinMs);
};

/** Three of five processes hear nothing of the others and are not heard; then they are again. */
export const loseQuorum = async (site: Site, combination: Combination, seed: number): Promise<QuorumLossFigures> => {
  const log = new HistoryLog();
  const settings = () => ({ quorum });
  const cluster = await Cluster.start({ site, combination, journal: log, seed, nodes, maxEntries: 100, settings });
  const send = (place: number, calls: readonly Call[]): void =>
    cluster.send(
      place,
      calls.map((call) => ({ kind: "call", call: { ...call, hardTimeout } })),
    );
  try {
    await using truth = await Truth.of(cluster);
    send(0, [{ call: "setMany", entries: keys.map((key) => [key, `first-${key}`]) }]);
    await ended(cluster);
    const before = await truth.values(keys);
    const mend = await Promise.all([2, 3, 4].map((place) => spoilLine("bus", "drop", place).begin(cluster)));
    const from = log.operations.length;
    // On both sides.
    for (const place of [0, 2]) send(place, writes);
    const read = await Promise.all(cluster.nodes.map((node) => node.ask<Values>({ ask: "values", keys })));
    await ended(cluster);
    const refused: Record<string, number> = {};
    for (const { error = "none" } of log.operations.slice(from)) refused[error] = (refused[error] ?? 0) + 1;
    const stored = await truth.values(keys);
    for (const undo of mend) await undo();
    const healedAt = monotonicMs();
    let tries = 0;
    const isBack = async (): Promise<boolean> => {
      const at = log.operations.length;
      send(0, [{ call: "set", key: a, value: `back-${++tries}` }]);
      await ended(cluster);
      return log.operations[at]?.status === "ok";
    };
    const backMs = (await until(isBack, endsWithinMs)) === undefined ? undefined : monotonicMs() - healedAt;
    return { refused, stored, before, read, backMs, problems: [...log.problems, ...checkHistory(log).problems] };
  } finally {
    await cluster.stop();
  }
};
