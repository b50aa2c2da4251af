import type { Bus, ChangeFeed, LocalCache, Logger, SharedCache, Store } from "@warp/core";

/** Stores over one database: one for each node. */
export interface Stores {
  /** @param clock In place of the database's own, in milliseconds since 1970. */
  make(clock?: () => number): Store;
  /** Tells a node what other programs write. Left out where there is none, or nobody else. */
  feed?(): ChangeFeed;
  close(): Promise<void>;
}

/** The cache tiers of a node. */
export interface Tiers {
  readonly localCache: LocalCache | false;
  readonly sharedCache?: SharedCache;
}

/** Cache tiers, a pair for each node; nodes share what other processes share. */
export interface Caches {
  make(): Tiers;
  close(): Promise<void>;
}

/** Buses over one server, or network: one for each node, with a connection of its own. */
export interface Buses {
  make(): Promise<Bus>;
  close(): Promise<void>;
}

/** What opening anything here is told. */
export interface Surroundings {
  readonly cluster: string;
  readonly logger: Logger;
}

/** Ends what was opened, the last first; what fails to end hinders nothing else, and is thrown at last. */
export class Opened {
  readonly #ends: (() => Promise<unknown>)[] = [];

  add(end: () => Promise<unknown>): void {
    this.#ends.push(end);
  }

  async close(): Promise<void> {
    const failures: unknown[] = [];
    for (const end of this.#ends.splice(0).reverse()) {
      try {
        await end();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures.length === 1 ? failures[0] : new AggregateError(failures, "closing failed");
  }
}
