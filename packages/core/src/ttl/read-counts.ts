import { type Clock, systemClock } from "../values/clock.ts";
import { type Duration, durationMs } from "../values/duration.ts";
import { invalid } from "../values/invalid.ts";

export interface ReadCountsOptions {
  /** How far back reads count. Default 5 minutes. */
  readonly window?: Duration;
  /** The most keys counted at a time, 2 or more. Default 10 000. */
  readonly maxKeys?: number;
  /** Pass the one that `Warp` was given. Default: the machine's. */
  readonly clock?: Pick<Clock, "monotonic">;
}

/**
 * How often keys were read in about the last `window`: reads of the running window, plus those of the one before it
 * by the share of it that still lies within `window` of now. Constant time; forgetting drops a whole map at once.
 *
 * Each of the two windows holds half of `maxKeys`. A running window that is full ends early, so that a crowd of keys
 * read once makes counts smaller, never larger.
 */
export class ReadCounts {
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #windowMs: number;
  readonly #maxKeysEach: number;
  #running = new Map<string, number>();
  #before = new Map<string, number>();
  #startedAt: number;

  /** @throws {WarpError} `INVALID_ARGUMENT` naming the option, as one of `owner`. */
  constructor(owner: string, { window = "5m", maxKeys = 10_000, clock = systemClock }: ReadCountsOptions) {
    if (!Number.isSafeInteger(maxKeys) || maxKeys < 2)
      throw invalid(`${owner}: maxKeys`, "a whole number, at least 2", maxKeys);
    this.#windowMs = durationMs(`${owner}: window`, window, { leastMs: 1 });
    this.#maxKeysEach = Math.floor(maxKeys / 2);
    this.#clock = clock;
    this.#startedAt = clock.monotonic();
  }

  record(key: string): void {
    const now = this.#turnWhenOver();
    const count = this.#running.get(key);
    if (count === undefined && this.#running.size >= this.#maxKeysEach) this.#turn(now);
    this.#running.set(key, (count ?? 0) + 1);
  }

  /** Not always whole. */
  reads(key: string): number {
    const elapsedMs = this.#turnWhenOver() - this.#startedAt;
    const share = 1 - elapsedMs / this.#windowMs;
    return (this.#running.get(key) ?? 0) + (this.#before.get(key) ?? 0) * share;
  }

  /** For tests of the bound. */
  get keys(): number {
    return this.#running.size + this.#before.size;
  }

  /** Leaves `now` within the running window. @returns `now` */
  #turnWhenOver(): number {
    const now = this.#clock.monotonic();
    const elapsedMs = now - this.#startedAt;
    if (elapsedMs < this.#windowMs) return now;
    const followsOn = elapsedMs < 2 * this.#windowMs;
    this.#turn(followsOn ? this.#startedAt + this.#windowMs : now);
    if (!followsOn) this.#before = new Map();
    return now;
  }

  #turn(startedAt: number): void {
    this.#before = this.#running;
    this.#running = new Map();
    this.#startedAt = startedAt;
  }
}
