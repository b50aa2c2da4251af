import type { Cancel, Clock } from "../../src/index.ts";

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** Lets every promise that can run do so, and what they start: ticks and microtasks come before an immediate. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Virtual time for a whole world of nodes: it passes only in `advance`, and promises run to their end in between. */
export class VirtualClock implements Clock {
  #wall = Date.UTC(2026, 0, 1);
  #monotonic = 1_000;
  #orders = 0;
  readonly #timers = new Set<Timer>();

  now(): number {
    return this.#wall;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  schedule(delayMs: number, run: () => void): Cancel {
    const timer = { at: this.#monotonic + Math.max(0, delayMs), order: this.#orders++, run };
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Both clocks go on by `ms`; timers fire on the way in the order they are due, and what they wake runs at once. */
  async advance(ms: number): Promise<void> {
    const end = this.#monotonic + ms;
    await settle();
    for (let next = this.#due(end); next !== undefined; next = this.#due(end)) {
      this.#move(next.at);
      this.#timers.delete(next);
      next.run();
      await settle();
    }
    this.#move(end);
  }

  /** `work`, for as long as it takes in virtual time. @param withinMs Longer than that is a failure. */
  async run<T>(work: Promise<T>, withinMs = 120_000): Promise<T> {
    let ended = false;
    const end = this.#monotonic + withinMs;
    const note = (): void => {
      ended = true;
    };
    work.then(note, note);
    for (;;) {
      await settle();
      if (ended) return await work;
      const next = this.#due(end);
      if (next === undefined) throw new Error(`not done within ${withinMs} ms`);
      await this.advance(next.at - this.#monotonic);
    }
  }

  /** Only the wall clock jumps; below 0 it goes back. */
  jumpWall(ms: number): void {
    this.#wall += ms;
  }

  #move(to: number): void {
    this.#wall += to - this.#monotonic;
    this.#monotonic = to;
  }

  #due(end: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.at > end) continue;
      if (first === undefined || timer.at < first.at || (timer.at === first.at && timer.order < first.order))
        first = timer;
    }
    return first;
  }
}
