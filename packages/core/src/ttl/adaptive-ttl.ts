import type { TtlStrategy } from "../ports/ttl-strategy.ts";
import { type Duration, durationMs } from "../values/duration.ts";
import { invalid } from "../values/invalid.ts";
import { ReadCounts, type ReadCountsOptions } from "./read-counts.ts";

export interface AdaptiveTtlOptions extends ReadCountsOptions {
  /** The life of an entry that nobody read: 1 ms or more. */
  readonly min: Duration;
  /** The longest life: `min` or more, `Infinity` allowed. */
  readonly max: Duration;
  /** By how much the life grows each time that reads double: above 1. Default 2, in proportion to the reads. */
  readonly factor?: number;
}

/**
 * Popular keys live longer: a key with n reads in the last `window` gets `min` × `factor` ^ log2(1 + n), at most
 * `max`, in whole milliseconds. With the default factor that is `min` × (1 + n); with 1.5, 3 reads make it 2.25 × `min`.
 *
 * Counts at most `maxKeys` keys; both calls take constant time.
 * @throws {WarpError} `INVALID_ARGUMENT` naming the option.
 */
export const adaptiveTtl = ({ min, max, factor = 2, ...counting }: AdaptiveTtlOptions): TtlStrategy => {
  const leastMs = durationMs("adaptiveTtl: min", min, { leastMs: 1 });
  const mostMs = durationMs("adaptiveTtl: max", max, { leastMs, infinite: true });
  if (!Number.isFinite(factor) || factor <= 1) throw invalid("adaptiveTtl: factor", "above 1", factor);
  const counts = new ReadCounts("adaptiveTtl", counting);
  return Object.freeze({
    record: (key: string): void => counts.record(key),
    ttl: (key: string): number => Math.min(mostMs, Math.round(leastMs * factor ** Math.log2(1 + counts.reads(key)))),
  });
};
