import type { TtlStrategy } from "../ports/ttl-strategy.ts";
import { type Duration, durationMs } from "../values/duration.ts";
import { invalid } from "../values/invalid.ts";
import { ReadCounts, type ReadCountsOptions } from "./read-counts.ts";

export interface FrequencyStep {
  /** From how many reads in the last `window` on the step applies. A whole number; 0 for the first step. */
  readonly reads: number;
  /** The life of an entry: 1 ms or more, `Infinity` allowed. */
  readonly ttl: Duration;
}

/**
 * A key gets the `ttl` of the last step whose `reads` it reached in the last `window`.
 * Counts at most `maxKeys` keys; `record` takes constant time, `ttl` as many comparisons as there are steps.
 *
 * @param steps By growing `reads`, the first with 0: `[{ reads: 0, ttl: "10s" }, { reads: 100, ttl: "5m" }]`.
 * @throws {WarpError} `INVALID_ARGUMENT` naming the step or option.
 */
export const frequencyTtl = (steps: readonly FrequencyStep[], options: ReadCountsOptions = {}): TtlStrategy => {
  if (!Array.isArray(steps) || steps.length === 0)
    throw invalid("frequencyTtl: steps", "an array of at least one step", steps);
  let above = -1;
  const descending = steps
    .map(({ reads, ttl }: FrequencyStep, index) => {
      const expected = index === 0 ? "0" : `a whole number above ${above}`;
      if (!Number.isSafeInteger(reads) || (index === 0 ? reads !== 0 : reads <= above))
        throw invalid(`frequencyTtl: steps[${index}].reads`, expected, reads);
      above = reads;
      return { reads, ttlMs: durationMs(`frequencyTtl: steps[${index}].ttl`, ttl, { leastMs: 1, infinite: true }) };
    })
    .reverse();
  const counts = new ReadCounts("frequencyTtl", options);
  return Object.freeze({
    record: (key: string): void => counts.record(key),
    ttl: (key: string): number => {
      const reads = counts.reads(key);
      // The last of them asks for 0 reads.
      return (descending.find((step) => reads >= step.reads) as { ttlMs: number }).ttlMs;
    },
  });
};
