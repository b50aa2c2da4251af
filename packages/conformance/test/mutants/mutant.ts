import type { ConformanceCase } from "../../src/index.ts";

/** An adapter with one defect. */
export interface Mutant {
  /** What it does wrong. */
  readonly defect: string;
  /** The cases that must fail on it; others may. */
  readonly caughtBy: readonly string[];
  /** The contract, on it. */
  readonly cases: readonly ConformanceCase[];
}

export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
