import { BareEntry, type EntryOwner, MemoryCache, markVisited } from "@warp/core";
import { LRUCache } from "lru-cache";
import type { Policy } from "./policy.ts";

/** The owner of entries that no registration made: they never expire. */
export const ownerOfAll: EntryOwner = {
  generation: 0,
  hits: 0,
  graceMs: 0,
  eagerShare: 0,
  ttlMs: Number.POSITIVE_INFINITY,
};

/** `MemoryCache` itself, its hits marked as core marks them. */
export class WarpMemory implements Policy {
  readonly name = "MemoryCache";
  readonly #cache: MemoryCache;

  constructor(room: number) {
    this.#cache = new MemoryCache({ maxEntries: room });
  }

  request(key: number): boolean {
    const name = String(key);
    const entry = this.#cache.get(name);
    if (entry === undefined) this.#cache.set(name, new BareEntry(key, ownerOfAll, 0, Number.POSITIVE_INFINITY));
    else markVisited(entry);
    return entry !== undefined;
  }
}

/** With keys that are text, as those of `MemoryCache` are. */
export class Lru implements Policy {
  readonly name = "lru-cache (LRU)";
  readonly #cache: LRUCache<string, number>;

  constructor(room: number) {
    this.#cache = new LRUCache({ max: room });
  }

  request(key: number): boolean {
    const name = String(key);
    if (this.#cache.get(name) !== undefined) return true;
    this.#cache.set(name, key);
    return false;
  }
}
