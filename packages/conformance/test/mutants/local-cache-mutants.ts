import {
  type Entry,
  isDirty,
  isVisited,
  type LocalCache,
  type LocalCacheStats,
  MemoryCache,
  markVisited,
} from "@warp/core";
import { localCacheCases } from "../../src/index.ts";
import { ManualClock } from "../manual-clock.ts";
import type { Mutant } from "./mutant.ts";

/** A cache that lets go of its oldest entries first; what a mutant changes is passed in. */
class QueueCache implements LocalCache {
  readonly portVersion = 1;
  readonly isolate = "none";
  readonly held: Map<string, Entry> = new Map();
  readonly totals: { evictions: number; expirations: number } = { evictions: 0, expirations: 0 };
  readonly #maxEntries: number;
  readonly #mayGo: (key: string, entry: Entry, cache: QueueCache) => boolean;

  constructor(maxEntries: number, mayGo: (key: string, entry: Entry, cache: QueueCache) => boolean) {
    this.#maxEntries = maxEntries;
    this.#mayGo = mayGo;
  }

  get stats(): LocalCacheStats {
    return { entries: this.held.size, bytes: 0, ...this.totals };
  }

  get(key: string): Entry | undefined {
    return this.held.get(key);
  }

  set(key: string, entry: Entry): void {
    this.held.delete(key);
    this.held.set(key, entry);
    for (const [oldest, one] of this.held) {
      if (this.held.size <= this.#maxEntries) break;
      if (oldest === key || !this.#mayGo(oldest, one, this)) continue;
      this.held.delete(oldest);
      this.totals.evictions += 1;
    }
  }

  delete(key: string): boolean {
    return this.held.delete(key);
  }

  entries(): IterableIterator<[string, Entry]> {
    return this.held.entries();
  }

  clear(): void {
    this.held.clear();
  }
}

const delegate = (base: LocalCache): LocalCache => ({
  portVersion: 1,
  isolate: "none",
  get stats() {
    return base.stats;
  },
  get: (key) => base.get(key),
  set: (key, entry) => base.set(key, entry),
  delete: (key) => base.delete(key),
  entries: () => base.entries(),
  clear: () => base.clear(),
});

type Change = (base: LocalCache, clock: ManualClock, maxEntries: number) => Partial<LocalCache>;

const mutant = (defect: string, caughtBy: readonly string[], change: Change): Mutant => ({
  defect,
  caughtBy,
  cases: localCacheCases((maxEntries) => {
    const clock = new ManualClock();
    const base = new MemoryCache({ maxEntries, clock });
    const port = Object.defineProperties(
      delegate(base),
      Object.getOwnPropertyDescriptors(change(base, clock, maxEntries)),
    );
    return { port, advance: (ms) => clock.advance(ms), close: () => base.close() };
  }),
});

const queueMutant = (
  defect: string,
  caughtBy: readonly string[],
  mayGo: (key: string, entry: Entry, cache: QueueCache) => boolean,
  change: (cache: QueueCache) => Partial<LocalCache> = () => ({}),
): Mutant => ({
  defect,
  caughtBy,
  cases: localCacheCases((maxEntries) => {
    const cache = new QueueCache(maxEntries, mayGo);
    const port = Object.defineProperties(delegate(cache), Object.getOwnPropertyDescriptors(change(cache)));
    return { port };
  }),
});

const clean = (_key: string, entry: Entry): boolean => !isDirty(entry);

const stats = (base: LocalCache, map: (stats: LocalCacheStats) => Partial<LocalCacheStats>): Partial<LocalCache> => ({
  get stats() {
    return { ...base.stats, ...map(base.stats) };
  },
});

const walking = (base: LocalCache, keep: (entry: Entry) => boolean): Partial<LocalCache> => ({
  entries: () => [...base.entries()].filter(([, entry]) => keep(entry)).values(),
});

export const localCacheMutants: readonly Mutant[] = [
  mutant("names no way of keeping values apart", ["a cache declares its facts as plain values"], () => ({
    isolate: "deep" as unknown as "none",
  })),
  mutant(
    "says of every key that it was there",
    ["a deleted entry is gone, and delete says whether there was one", "a key that was not put has no entry"],
    (base) => ({
      delete: (key) => {
        base.delete(key);
        return true;
      },
    }),
  ),
  mutant("gives copies of its entries", ["get gives the very entry that was put, whatever its value"], (base) => ({
    get: (key) => {
      const entry = base.get(key);
      return entry && { ...entry, storedAt: entry.storedAt, revision: entry.revision };
    },
  })),
  mutant("holds no undefined", ["get gives the very entry that was put, whatever its value"], (base) => ({
    set: (key, entry) => {
      if (entry.value !== undefined) base.set(key, entry);
    },
  })),
  mutant("withholds expired entries", ["get gives an expired entry like any other"], (base, clock) => ({
    get: (key) => {
      const entry = base.get(key);
      return entry !== undefined && entry.freshUntil <= clock.monotonic() ? undefined : entry;
    },
  })),
  mutant("withholds suspect entries", ["get gives a suspect entry like any other"], (base) => ({
    get: (key) => {
      const entry = base.get(key);
      return entry !== undefined && entry.generation < entry.registration.generation ? undefined : entry;
    },
  })),
  mutant("marks what it gives as visited", ["get is no visit"], (base) => ({
    get: (key) => {
      const entry = base.get(key);
      if (entry !== undefined) markVisited(entry);
      return entry;
    },
  })),
  mutant("keeps the first entry of a key", ["a put replaces the entry"], (base) => ({
    set: (key, entry) => {
      if (base.get(key) === undefined) base.set(key, entry);
    },
  })),
  mutant("counts puts as entries", ["a put replaces the entry"], (base) => {
    let puts = 0;
    return {
      set: (key, entry) => {
        puts += 1;
        base.set(key, entry);
      },
      ...stats(base, () => ({})),
      get stats() {
        return { ...base.stats, entries: puts };
      },
    };
  }),
  mutant("deletes nothing", ["a deleted entry is gone, and delete says whether there was one"], (base) => ({
    delete: (key) => base.get(key) !== undefined,
  })),
  mutant("keeps dirty entries from being deleted", ["delete also lets go of a dirty entry"], (base) => ({
    delete: (key) => {
      const entry = base.get(key);
      return entry === undefined || isDirty(entry) ? false : base.delete(key);
    },
  })),
  mutant("deletes what begins alike", ["a deleted entry is gone, and delete says whether there was one"], (base) => ({
    delete: (key) => {
      const alike = [...base.entries()].filter(([one]) => one.startsWith(key));
      for (const [one] of alike) base.delete(one);
      return alike.length > 0;
    },
  })),
  mutant("clears only what was visited", ["clear empties the cache, which then works on"], (base) => ({
    clear: () => {
      for (const [key, entry] of base.entries()) if (isVisited(entry)) base.delete(key);
    },
  })),
  mutant("keeps entries in a plain object", ["every legal key has an entry of its own"], (base) => ({
    get: (key) => (({}) as Record<string, Entry>)[key] ?? base.get(key),
  })),
  mutant("folds the case of keys", ["every legal key has an entry of its own"], (base) => ({
    get: (key) => base.get(key.toLowerCase()),
    set: (key, entry) => base.set(key.toLowerCase(), entry),
    delete: (key) => base.delete(key.toLowerCase()),
  })),
  mutant("walks no dirty entries", ["entries walks every entry once, expired, suspect and dirty ones too"], (base) =>
    walking(base, (entry) => !isDirty(entry)),
  ),
  mutant(
    "walks no expired entries",
    ["entries walks every entry once, expired, suspect and dirty ones too"],
    (base, clock) => walking(base, ({ freshUntil }) => freshUntil > clock.monotonic()),
  ),
  mutant(
    "walks by position, so that a delete skips an entry",
    ["entries can be deleted, replaced and put while they are walked"],
    (base) => ({
      entries: function* () {
        for (let at = 0; ; at += 1) {
          const entry = [...base.entries()][at];
          if (entry === undefined) return;
          yield entry;
        }
      },
    }),
  ),
  mutant(
    "refuses changes while it is walked",
    ["entries can be deleted, replaced and put while they are walked"],
    (base) => {
      let walks = 0;
      const idle = (): void => {
        if (walks > 0) throw new Error("changed while it was walked");
      };
      return {
        entries: function* () {
          walks += 1;
          try {
            yield* [...base.entries()];
          } finally {
            walks -= 1;
          }
        },
        clear: () => {
          idle();
          base.clear();
        },
        delete: (key) => {
          idle();
          return base.delete(key);
        },
      };
    },
  ),
  mutant(
    "stays locked after a walk that was abandoned",
    ["a walk can be abandoned, and cleared from within"],
    (base) => {
      let locked = false;
      return {
        entries: function* () {
          locked = true;
          yield* [...base.entries()];
          locked = false;
        },
        clear: () => {
          if (!locked) base.clear();
        },
      };
    },
  ),
  queueMutant("is not bounded", ["a full cache makes room for what is put"], () => false),
  mutant("holds the last entry only", ["a cache holds more than the last entry"], (base) => ({
    set: (key, entry) => {
      for (const [one, other] of base.entries()) if (!isDirty(other)) base.delete(one);
      base.set(key, entry);
    },
  })),
  mutant(
    "refuses what is put once it is full",
    ["a full cache makes room for what is put"],
    (base, _clock, maxEntries) => ({
      set: (key, entry) => {
        if (base.get(key) !== undefined || base.stats.entries < maxEntries || isDirty(entry)) base.set(key, entry);
      },
    }),
  ),
  queueMutant("evicts dirty entries", ["a dirty entry is never let go for want of room"], () => true),
  queueMutant(
    "evicts dirty entries where nothing else is left",
    ["dirty entries are kept even where they exceed the room there is"],
    (key, entry, cache) => {
      return clean(key, entry) || [...cache.held.values()].every(isDirty);
    },
  ),
  mutant("lets dirty entries expire", ["a dirty entry is kept however long it waits"], (base, clock) => ({
    get: (key) => {
      const entry = base.get(key);
      return entry !== undefined && isDirty(entry) && clock.monotonic() > entry.freshUntil ? undefined : entry;
    },
  })),
  (() => {
    const dirtyAtFirst = new WeakMap<QueueCache, Map<string, boolean>>();
    const judged = (cache: QueueCache): Map<string, boolean> => {
      const map = dirtyAtFirst.get(cache) ?? new Map<string, boolean>();
      dirtyAtFirst.set(cache, map);
      return map;
    };
    return queueMutant(
      "judges once and for all whether a key is dirty",
      ["whether an entry is dirty is judged anew with each put"],
      (key, _entry, cache) => judged(cache).get(key) !== true,
      (cache) => ({
        set: (key, entry) => {
          if (!judged(cache).has(key)) judged(cache).set(key, isDirty(entry));
          cache.set(key, entry);
        },
      }),
    );
  })(),
  mutant("counts no evictions", ["what was let go was either evicted or had expired"], (base) =>
    stats(base, () => ({ evictions: 0 })),
  ),
  mutant(
    "counts what expired among the evicted",
    ["what nobody can use any more and is let go counts as expired, not as evicted"],
    (base) => stats(base, ({ evictions, expirations }) => ({ evictions: evictions + expirations })),
  ),
  mutant(
    "does not count what expired",
    ["what nobody can use any more and is let go counts as expired, not as evicted"],
    (base) => stats(base, () => ({ expirations: 0 })),
  ),
  mutant("counts deletes as evictions", ["what was replaced, deleted or cleared counts as neither"], (base) => {
    let deletes = 0;
    return {
      delete: (key) => {
        const was = base.delete(key);
        if (was) deletes += 1;
        return was;
      },
      get stats() {
        return { ...base.stats, evictions: base.stats.evictions + deletes };
      },
    };
  }),
  queueMutant("counts from the last clear", ["the totals of evictions and expirations only grow"], clean, (cache) => ({
    clear: () => {
      cache.clear();
      cache.totals.evictions = 0;
    },
  })),
  mutant("its size only grows", ["what is not held has no size"], (base) => {
    let bytes = 0;
    return {
      set: (key, entry) => {
        bytes += 10;
        base.set(key, entry);
      },
      get stats() {
        return { ...base.stats, bytes };
      },
    };
  }),
];
