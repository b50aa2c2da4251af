import type { Clock } from "../values/clock.ts";

/**
 * Ids that are remembered for a while, in two generations: once the older has stood for that time it goes as a whole. So
 * an id is remembered for once to twice as long, and costs one entry in a set, and nothing when it is forgotten: one by
 * one, a `Map` in the order of arrival passes all that it has lost already each time it is asked for its oldest.
 */
export class RecentIds {
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #most: number;
  #latest: Set<string> = new Set();
  #former: Set<string> = new Set();
  #forMs = 0;
  /** On the monotonic clock. */
  #turnsAt = Number.NEGATIVE_INFINITY;

  /** @param most Of one generation: where more come, an id is remembered until so many have followed it. */
  constructor(clock: Pick<Clock, "monotonic">, most: number) {
    this.#clock = clock;
    this.#most = most;
  }

  get size(): number {
    return this.#latest.size + this.#former.size;
  }

  /** @param forMs The same for all, or about. */
  add(id: string, forMs: number): void {
    this.#forMs = forMs;
    if (this.#latest.size >= this.#most) this.#turn(this.#clock.monotonic());
    else this.sweep();
    this.#latest.add(id);
  }

  has(id: string): boolean {
    return this.#latest.has(id) || this.#former.has(id);
  }

  /** Lets go of what has been remembered for long enough. */
  sweep(): void {
    const now = this.#clock.monotonic();
    if (now >= this.#turnsAt) this.#turn(now);
  }

  #turn(now: number): void {
    this.#former = this.#latest;
    this.#latest = new Set();
    this.#turnsAt = now + this.#forMs;
  }
}
