import type { Cancel, Clock } from "@warp/core";

/** A clock that a test moves. Timers run within `advance`, in the order they are due. */
export class ManualClock implements Clock {
  #wall = Date.UTC(2026, 10, 23);
  #monotonic = 0;
  readonly #timers = new Set<{ readonly at: number; readonly run: () => void }>();

  now(): number {
    return this.#wall;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  schedule(delayMs: number, run: () => void): Cancel {
    const timer = { at: this.#monotonic + Math.max(0, delayMs), run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  advance(ms: number): void {
    const end = this.#monotonic + ms;
    for (let next = this.#due(end); next !== undefined; next = this.#due(end)) {
      this.#move(next.at);
      this.#timers.delete(next);
      next.run();
    }
    this.#move(end);
  }

  setBack(ms: number): void {
    this.#wall -= ms;
  }

  #move(to: number): void {
    this.#wall += to - this.#monotonic;
    this.#monotonic = to;
  }

  #due(end: number): { readonly at: number; readonly run: () => void } | undefined {
    return [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
  }
}
