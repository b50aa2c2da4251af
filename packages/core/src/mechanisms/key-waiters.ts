/** One who waits for news of a key. */
export interface KeyWaiter {
  /** Resolves at the first news since the wait began. */
  readonly news: Promise<void>;
  /** Waits no more. */
  stop(): void;
}

/** Wakes those who wait for something to happen to a key. Holds only keys that are waited for. */
export class KeyWaiters {
  readonly #waiters: Map<string, Set<() => void>> = new Map();

  /** Begins to wait: what happens from now on counts. */
  wait(key: string): KeyWaiter {
    let wake: () => void = () => undefined;
    const news = new Promise<void>((resolve) => {
      wake = resolve;
    });
    const waiters = this.#waiters.get(key);
    if (waiters === undefined) this.#waiters.set(key, new Set([wake]));
    else waiters.add(wake);
    return { news, stop: () => this.#remove(key, wake) };
  }

  wake(key: string): void {
    if (this.#waiters.size === 0) return;
    for (const wake of this.#waiters.get(key) ?? []) wake();
  }

  /** Something may have happened to any key. */
  wakeAll(): void {
    for (const waiters of this.#waiters.values()) for (const wake of waiters) wake();
  }

  get size(): number {
    return this.#waiters.size;
  }

  #remove(key: string, wake: () => void): void {
    const waiters = this.#waiters.get(key);
    if (waiters?.delete(wake) === true && waiters.size === 0) this.#waiters.delete(key);
  }
}
