import { WarpError } from "../errors.ts";
import type { LocalCache, LocalCacheStats } from "../ports/local-cache.ts";
import { type Clock, systemClock } from "../values/clock.ts";
import { type Duration, durationMs } from "../values/duration.ts";
import { type Entry, isDirty, markVisited } from "../values/entry.ts";
import { describeValue, invalid, wholeNumber } from "../values/invalid.ts";
import { estimateBytes } from "./estimate-bytes.ts";
import { Eviction } from "./eviction.ts";
import { ExpirySweep } from "./expiry-sweep.ts";

/** A `Map` of V8 holds 2^24 slots, and needs as many again for the traces of what was deleted. */
const mostEntries = 2 ** 23;

export interface MemoryCacheOptions {
  /** The most entries held. Default 100 000, at most 8 388 608. */
  readonly maxEntries?: number;
  /** The most bytes held, as `sizeOf` counts them. Default: not bounded, and nothing is counted. */
  readonly maxBytes?: number;
  /**
   * The size of an entry in bytes, asked once when it is put. Default: an estimate that walks the whole value.
   * Takes part only where `maxBytes` is set.
   */
  readonly sizeOf?: (key: string, value: unknown) => number;
  /** How values are kept apart from their callers; core does the work. Default `"none"`. */
  readonly isolate?: "none" | "freeze" | "clone";
  /** Default: the machine's. */
  readonly clock?: Clock;
  /** How often entries nobody can use any more are looked for. Default 500 ms, at least 10 ms. */
  readonly sweepInterval?: Duration;
}

const unweighable = (key: string, message: string, cause?: unknown): WarpError =>
  new WarpError("INVALID_VALUE", message, { key, port: "local-cache", cause });

/** What the entries of a cache bounded by bytes weigh. */
interface Weights {
  readonly maxBytes: number;
  readonly sizeOf: (key: string, value: unknown) => number;
  /** By key: a value may have been edited since it was put, so it is not weighed again when it leaves. */
  readonly byKey: Map<string, number>;
  total: number;
}

const weightsOf = (maxBytes: unknown, sizeOf: MemoryCacheOptions["sizeOf"]): Weights | undefined => {
  if (sizeOf !== undefined && typeof sizeOf !== "function") throw invalid("sizeOf", "a function", sizeOf);
  if (maxBytes === undefined) return undefined;
  const most = wholeNumber("maxBytes", maxBytes, 1);
  return { maxBytes: most, sizeOf: sizeOf ?? estimateBytes, byKey: new Map(), total: 0 };
};

/**
 * The local tier in the memory of this process: bounded by entries and, if asked, by bytes. Makes room by SIEVE
 * behind a probation for new entries (`Eviction`), in constant time on average; a replaced entry keeps its place and
 * counts as visited; what was just put is held until something else is. Entries that
 * are useless even to fail-safe leave within two sweep intervals where they are many, within twenty where they are few
 * among very many. Dirty entries are neither evicted nor swept: where nothing else is left the bounds are exceeded.
 */
export class MemoryCache implements LocalCache {
  readonly portVersion = 1;
  readonly isolate: "none" | "freeze" | "clone";
  readonly stats: LocalCacheStats;
  readonly #entries = new Map<string, Entry>();
  readonly #maxEntries: number;
  readonly #weights: Weights | undefined;
  readonly #eviction: Eviction;
  readonly #sweep: ExpirySweep;
  #evictions = 0;
  #expirations = 0;

  /** @throws {WarpError} `INVALID_ARGUMENT` naming the option. */
  constructor(options: MemoryCacheOptions = {}) {
    const { maxEntries = 100_000, isolate = "none", clock = systemClock, sweepInterval = "500ms" } = options;
    if (!["none", "freeze", "clone"].includes(isolate))
      throw invalid("isolate", '"none", "freeze" or "clone"', isolate);
    this.isolate = isolate;
    this.#maxEntries = wholeNumber("maxEntries", maxEntries, 1, mostEntries);
    this.#weights = weightsOf(options.maxBytes, options.sizeOf);
    this.#eviction = new Eviction(this.#entries);
    const intervalMs = durationMs("sweepInterval", sweepInterval, { leastMs: 10 });
    this.#sweep = new ExpirySweep(this.#entries, clock, intervalMs, (key, entry) => {
      this.#expirations++;
      this.#remove(key, entry);
    });
    this.stats = this.#statsView();
  }

  get(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  /** @throws {WarpError} `INVALID_VALUE`, with nothing changed, if `sizeOf` throws or gives no size. */
  set(key: string, entry: Entry): void {
    if (this.#weights !== undefined) this.#weigh(this.#weights, key, entry);
    const old = this.#entries.get(key);
    this.#entries.set(key, entry);
    if (old === undefined) {
      this.#sweep.onAdd(entry);
      const isOver = this.#isOver();
      this.#eviction.onAdd(key, entry, isOver);
      if (isOver) this.#makeRoom(key, entry);
      return;
    }
    markVisited(entry);
    this.#eviction.onReplace(old, entry);
    this.#sweep.onRemove(old);
    this.#sweep.onAdd(entry);
    if (this.#isOver()) this.#makeRoom(key, entry);
  }

  delete(key: string): boolean {
    const entry = this.#entries.get(key);
    if (entry === undefined) return false;
    this.#remove(key, entry);
    return true;
  }

  entries(): IterableIterator<[string, Entry]> {
    return this.#entries.entries();
  }

  /** Lets go of everything, dirty entries too, and stops the sweep until an entry that ends comes. */
  clear(): void {
    this.#entries.clear();
    this.#eviction.reset();
    this.#sweep.onClear();
    if (this.#weights === undefined) return;
    this.#weights.byKey.clear();
    this.#weights.total = 0;
  }

  /** Stops sweeping, for good. What is held stays readable. Whoever made the cache calls it. */
  close(): void {
    this.#sweep.close();
  }

  #isOver(): boolean {
    return (
      this.#entries.size > this.#maxEntries ||
      (this.#weights !== undefined && this.#weights.total > this.#weights.maxBytes)
    );
  }

  #remove(key: string, entry: Entry): void {
    this.#eviction.onRemove(entry);
    this.#sweep.onRemove(entry);
    this.#entries.delete(key);
    if (this.#weights === undefined) return;
    this.#weights.total -= this.#weights.byKey.get(key) ?? 0;
    this.#weights.byKey.delete(key);
  }

  readonly #evict = (key: string, entry: Entry): void => {
    this.#evictions++;
    this.#remove(key, entry);
  };

  #makeRoom(key: string, entry: Entry): void {
    if (this.#weights !== undefined && (this.#weights.byKey.get(key) ?? 0) > this.#weights.maxBytes)
      this.#giveUp(key, entry);
    while (this.#isOver()) if (!this.#eviction.evict(entry, this.#evict)) break;
    if (this.#isOver()) this.#giveUp(key, entry);
  }

  /** No room could be made: what was just put is let go of, unless it is dirty. */
  #giveUp(key: string, entry: Entry): void {
    if (isDirty(entry) || this.#entries.get(key) !== entry) return;
    this.#evict(key, entry);
  }

  #weigh(weights: Weights, key: string, entry: Entry): void {
    let size: unknown;
    try {
      size = weights.sizeOf(key, entry.value);
    } catch (cause) {
      throw unweighable(key, "sizeOf failed", cause);
    }
    if (typeof size !== "number" || !(size >= 0 && size < Number.POSITIVE_INFINITY))
      throw unweighable(key, `sizeOf must give a number of bytes; it gave ${describeValue(size)}`);
    weights.total += size - (weights.byKey.get(key) ?? 0);
    weights.byKey.set(key, size);
  }

  #statsView(): LocalCacheStats {
    const cache = this;
    return {
      get entries() {
        return cache.#entries.size;
      },
      get bytes() {
        return cache.#weights?.total ?? 0;
      },
      get evictions() {
        return cache.#evictions;
      },
      get expirations() {
        return cache.#expirations;
      },
    };
  }
}
