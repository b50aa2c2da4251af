import { TransientMap } from "./transient-map.ts";

/** Lets go of what was locked. Calling it again does nothing. */
export type Release = () => void;

/**
 * One holder per key at a time, the others in order of arrival. Not re-entrant. Holds a queue only for keys that are
 * locked.
 */
export class KeyedMutex {
  readonly #queues: TransientMap<(() => void)[]> = new TransientMap();

  /** Locks `key` if nobody holds it, as most times, so that nobody has to wait. */
  tryLock(key: string): Release | undefined {
    if (this.#queues.get(key) !== undefined) return undefined;
    this.#queues.set(key, []);
    return this.#releaseOf(key);
  }

  /** Resolves once this caller holds `key`. */
  async lock(key: string): Promise<Release> {
    const queue = this.#queues.get(key);
    if (queue === undefined) this.#queues.set(key, []);
    else await new Promise<void>((resolve) => queue.push(resolve));
    return this.#releaseOf(key);
  }

  /** Locks every key, in sorted order so that two callers cannot wait for each other. */
  async lockAll(keys: readonly string[]): Promise<Release> {
    const releases: Release[] = [];
    for (const key of [...new Set(keys)].sort()) releases.push(await this.lock(key));
    return () => {
      for (const release of releases) release();
    };
  }

  #releaseOf(key: string): Release {
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const next = this.#queues.get(key)?.shift();
      if (next === undefined) this.#queues.delete(key);
      else next();
    };
  }

  /** Keys that are locked. */
  get size(): number {
    return this.#queues.size;
  }
}
