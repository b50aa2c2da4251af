import type { Cancel, Clock } from "../values/clock.ts";

const hitsPerReading = 64;

/**
 * A cheap reading of the monotonic clock for the read path, where one exact reading costs half of a hit: it serves 64
 * calls, or until a timer of 1 ms fires, whichever comes first. So it is late by 1 ms plus the longest stretch in which
 * the event loop did not turn.
 */
export class CoarseClock {
  readonly #clock: Clock;
  readonly #perReading: number;
  #now: number;
  #left = 0;
  #cancel: Cancel | undefined;
  readonly #expire = (): void => {
    this.#cancel = undefined;
    this.#left = 0;
  };

  /** @param exact Read `clock` every time, for a clock that was injected. */
  constructor(clock: Clock, exact: boolean) {
    this.#clock = clock;
    this.#perReading = exact ? 1 : hitsPerReading;
    this.#now = clock.monotonic();
  }

  now(): number {
    if (--this.#left > 0) return this.#now;
    return this.#read();
  }

  #read(): number {
    this.#now = this.#clock.monotonic();
    this.#left = this.#perReading;
    if (this.#perReading > 1 && this.#cancel === undefined) this.#cancel = this.#clock.schedule(1, this.#expire, true);
    return this.#now;
  }

  end(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#left = 0;
  }
}
