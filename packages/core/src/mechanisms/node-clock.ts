import type { Cancel, Clock } from "../values/clock.ts";

/** A clock as one node uses it: what it has scheduled in the background ends with the node. */
export class NodeClock implements Clock {
  readonly #clock: Clock;
  readonly #cancels: Set<Cancel> = new Set();
  #ended = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  monotonic(): number {
    return this.#clock.monotonic();
  }

  schedule(delayMs: number, run: () => void, background: boolean = false): Cancel {
    // Somebody waits for the others: deadlines of calls.
    if (!background) return this.#clock.schedule(delayMs, run);
    if (this.#ended) return () => undefined;
    const end = this.#clock.schedule(
      delayMs,
      () => {
        this.#cancels.delete(cancel);
        run();
      },
      true,
    );
    const cancel = (): void => {
      this.#cancels.delete(cancel);
      end();
    };
    this.#cancels.add(cancel);
    return cancel;
  }

  end(): void {
    this.#ended = true;
    for (const cancel of this.#cancels) cancel();
  }
}
