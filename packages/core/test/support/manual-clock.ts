import type { Cancel, Clock } from "../../src/index.ts";

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
  readonly background: boolean;
}

/** Everything that needs no timer has happened: promises, next ticks. */
export const drained = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * Virtual time. Nothing passes until a test says so; between two timers everything that they set off runs to its end.
 * Timers due together run in the order they were made.
 */
export class ManualClock implements Clock {
  /** The wall clock, which a test may set. */
  wall: number = Date.UTC(2026, 0, 1);
  #monotonic = 1_000;
  #order = 0;
  #timers: Timer[] = [];

  now(): number {
    return this.wall;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  schedule(delayMs: number, run: () => void, background = false): Cancel {
    const timer = { at: this.#monotonic + Math.max(0, delayMs), order: this.#order++, run, background };
    this.#timers.push(timer);
    this.#timers.sort((a, b) => a.at - b.at || a.order - b.order);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#timers.length;
  }

  /** Timers that wait and would keep a process alive. */
  get holding(): number {
    return this.#timers.filter(({ background }) => !background).length;
  }

  /** Both clocks go on by `ms`; timers run on the way, each with all that it sets off. */
  async advance(ms: number): Promise<void> {
    const end = this.#monotonic + ms;
    await drained();
    for (let next = this.#timers[0]; next !== undefined && next.at <= end; next = this.#timers[0])
      await this.#fire(next);
    this.#pass(end);
    await drained();
  }

  /** What is due now, and all that it sets off. */
  settle(): Promise<void> {
    return this.advance(0);
  }

  /** `work`, for as long as it takes: time passes from timer to timer. Rejects if it takes longer than `withinMs`. */
  async run<T>(work: Promise<T>, withinMs = 120_000): Promise<T> {
    let ended = false;
    const end = this.#monotonic + withinMs;
    void work.then(
      () => {
        ended = true;
      },
      () => {
        ended = true;
      },
    );
    for (;;) {
      await drained();
      const next = this.#timers[0];
      if (ended) return await work;
      if (next === undefined) throw new Error("waits for something that no timer will bring");
      if (next.at > end) throw new Error(`takes longer than ${withinMs} ms`);
      await this.#fire(next);
    }
  }

  async #fire(timer: Timer): Promise<void> {
    this.#timers = this.#timers.filter((other) => other !== timer);
    this.#pass(timer.at);
    timer.run();
    await drained();
  }

  #pass(to: number): void {
    this.wall += Math.max(0, to - this.#monotonic);
    this.#monotonic = Math.max(to, this.#monotonic);
  }
}
