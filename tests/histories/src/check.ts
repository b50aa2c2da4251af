import { type Anomaly, findAnomalies } from "./dependencies.ts";
import { checkLinearizable, independentParts, type SearchOptions, type Verdict } from "./linearizability.ts";
import { lockAnomalies } from "./locks.ts";
import { describeOperation, type History, keysOf } from "./operation.ts";

export interface Report {
  /** What is wrong, in words; nothing if the history is what a strong store may show. */
  readonly problems: readonly string[];
  /** Of each group of operations that share keys and is wrong: the longest order that was found. */
  readonly verdicts: readonly Verdict[];
  readonly anomalies: readonly Anomaly[];
  readonly operations: number;
  readonly unknown: number;
}

const tell = (verdict: Verdict): string => {
  const { outcome, stuck, concurrent, order, state } = verdict;
  if (stuck === undefined) return outcome;
  const keys = keysOf(stuck);
  const held = keys.map((key) => `${key} = ${JSON.stringify(state.get(key) ?? null)}`).join(", ");
  const last = order.filter((one) => keysOf(one).some((key) => keys.includes(key))).slice(-5);
  const lines = [
    `${outcome}: nothing can come next after ${order.length} operations, where ${held}`,
    ...last.map((one) => `  before: ${describeOperation(one)}`),
    `  stuck:  ${describeOperation(stuck)}`,
    ...concurrent.slice(0, 10).map((one) => `  beside: ${describeOperation(one)}`),
  ];
  return lines.join("\n");
};

/**
 * Everything that can be said of a history: linearizability of each group of operations that share keys (with several keys
 * in one operation that is strict serializability), cycles between operations, and the tokens of locks.
 */
export const checkHistory = ({ operations, locks }: History, options: SearchOptions = {}): Report => {
  const parts = independentParts(operations);
  const verdicts = parts
    .map((part) => checkLinearizable(part, options))
    .filter(({ outcome }) => outcome !== "linearizable");
  const anomalies = findAnomalies(operations);
  return {
    problems: [
      ...verdicts.map(tell),
      ...anomalies.map(({ name, told }) => `${name}: ${told}`),
      ...lockAnomalies(locks),
    ],
    verdicts,
    anomalies,
    operations: operations.length,
    unknown: operations.filter(({ status }) => status === "unknown").length,
  };
};
