import type { Random } from "../values/random.ts";

export interface BackoffLimits {
  /** Bound of the first wait, in milliseconds. */
  readonly firstMs: number;
  /** Bound of every wait, in milliseconds. */
  readonly longestMs: number;
}

/**
 * How long to wait before retry number `attempt` (from 0): uniform below a bound that doubles ("full jitter",
 * Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015), and at least a tenth of it.
 */
export const backoffMs = (attempt: number, random: Random, { firstMs, longestMs }: BackoffLimits): number => {
  const bound = Math.min(longestMs, firstMs * 2 ** Math.min(attempt, 30));
  return bound * (0.1 + 0.9 * random.next());
};
