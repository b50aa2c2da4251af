import type { Cancel, Clock } from "../../src/index.ts";

interface Timer {
  readonly at: number;
  readonly run: () => void;
}

/** A clock that a test moves by hand; timers due together run in the order they were made. */
export class ManualClock implements Clock {
  /** The wall clock, which a test may set. */
  wall: number = Date.UTC(2026, 0, 1);
  #monotonic = 1_000;
  #timers: Timer[] = [];

  now(): number {
    return this.wall;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  schedule(delayMs: number, run: () => void): Cancel {
    const timer = { at: this.#monotonic + delayMs, run };
    this.#timers = [...this.#timers, timer].sort((a, b) => a.at - b.at);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Both clocks go on by `ms`; timers run on the way. */
  advance(ms: number): void {
    const end = this.#monotonic + ms;
    for (let next = this.#timers[0]; next !== undefined && next.at <= end; next = this.#timers[0]) {
      this.#timers.shift();
      this.#pass(next.at);
      next.run();
    }
    this.#pass(end);
  }

  #pass(to: number): void {
    this.wall += to - this.#monotonic;
    this.#monotonic = to;
  }
}
