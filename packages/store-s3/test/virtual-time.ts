import type { Cancel, Clock } from "@warp/core";

interface Due {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** Time that passes only when a test lets it: everything that is due happens one after the other. */
export class VirtualTime {
  #now = Date.UTC(2026, 6, 1);
  #due: Due[] = [];
  #order = 0;

  get now(): number {
    return this.#now;
  }

  /** @param order What is due at the same moment happens in this order; else as it was asked for. */
  at(at: number, run: () => void, order: number = ++this.#order): Cancel {
    const due = { at: Math.max(at, this.#now), order, run };
    this.#due.push(due);
    return () => {
      this.#due = this.#due.filter((one) => one !== due);
    };
  }

  /** Deadlines and pauses, for one process. @param delay When what is due at a moment really happens in that process. */
  timers(delay: (at: number) => number = (at) => at): Pick<Clock, "schedule" | "monotonic"> {
    return {
      monotonic: () => this.#now,
      schedule: (delayMs, run) => {
        if (delayMs === Number.POSITIVE_INFINITY) return () => {};
        let cancel = (): void => {};
        const arrive = (): void => {
          const really = delay(this.#now);
          if (really <= this.#now) run();
          else cancel = this.at(really, arrive);
        };
        cancel = this.at(this.#now + delayMs, arrive);
        return () => cancel();
      },
    };
  }

  /** Lets time pass until `isOver`. @throws If nothing is due before that. */
  async run(isOver: () => boolean): Promise<void> {
    for (;;) {
      // Everything that follows from what has happened, promises included.
      await new Promise((resolve) => setImmediate(resolve));
      if (isOver()) return;
      const next = this.#due.reduce<Due | undefined>(
        (first, one) =>
          first === undefined || one.at < first.at || (one.at === first.at && one.order < first.order) ? one : first,
        undefined,
      );
      if (next === undefined) throw new Error("nothing is due any more, and it is not over");
      this.#due = this.#due.filter((one) => one !== next);
      this.#now = next.at;
      next.run();
    }
  }

  /** What `promise` resolves with, however much time that takes. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    promise.then(settle, settle);
    await this.run(() => isSettled);
    return await promise;
  }

  /** Lets so many milliseconds pass. */
  async pass(ms: number): Promise<void> {
    let isOver = false;
    this.at(this.#now + ms, () => {
      isOver = true;
    });
    await this.run(() => isOver);
  }
}
