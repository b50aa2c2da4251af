import type { TtlStrategy } from "../ports/ttl-strategy.ts";
import { type Duration, durationMs } from "../values/duration.ts";

/**
 * An entry lives until it has not been read for `ttl`: each hit begins its life anew. Keeps no state.
 * @param ttl 1 ms or more, `Infinity` allowed.
 * @throws {WarpError} `INVALID_ARGUMENT`.
 */
export const slidingTtl = (ttl: Duration): TtlStrategy => {
  const ttlMs = durationMs("slidingTtl: ttl", ttl, { leastMs: 1, infinite: true });
  return Object.freeze({
    extendsOnHit: true,
    record: (): void => undefined,
    ttl: (): number => ttlMs,
  });
};
