import type { Entry } from "../values/entry.ts";

/** Running totals and sizes of a local cache, read when metrics are scraped. */
export interface LocalCacheStats {
  /** Entries held now. */
  readonly entries: number;
  /** Their size, in bytes as `sizeOf` counts; 0 where bytes are not bounded. */
  readonly bytes: number;
  /** Entries let go for want of room. */
  readonly evictions: number;
  /** Entries let go because nobody could use them any more. */
  readonly expirations: number;
}

/**
 * A cache in this process: live values, synchronous answers. It may forget any entry at any moment but a dirty one
 * (`isDirty`). It judges no entry: whether one may be served is core's decision.
 */
export interface LocalCache {
  readonly portVersion: 1;
  /**
   * How values are kept apart from their callers: `"none"` shares them, `"freeze"` freezes them deeply on their way
   * in, `"clone"` clones them in and out (`structuredClone`). Core does the work.
   */
  readonly isolate: "none" | "freeze" | "clone";
  readonly stats: LocalCacheStats;
  /** The entry as it was put, expired or not, without a copy. Does not count as a visit: core marks those. */
  get(key: string): Entry | undefined;
  /** Puts or replaces, making room as needed. */
  set(key: string, entry: Entry): void;
  /** Whether there was one. Also lets go of a dirty entry: core asks only once it is settled. */
  delete(key: string): boolean;
  /** Every entry, in no particular order; safe against changes while it is walked. */
  entries(): IterableIterator<[string, Entry]>;
  /** Lets go of everything, dirty entries too: core asks only while there are none. */
  clear(): void;
}
