import assert from "node:assert/strict";
import {
  BareEntry,
  dirtyGeneration,
  type Entry,
  type EntryOwner,
  generationStep,
  isVisited,
  type LocalCache,
  markVisited,
  TrackedEntry,
} from "@warp/core";
import { assertSameMembers } from "./assertions.ts";
import { type CaseTable, type ConformanceCase, casesOf, type Subject } from "./case.ts";
import { oddKeys, range } from "./samples.ts";

/** Opens an empty cache that holds at most `maxEntries`. Called once for each case. */
export type OpenLocalCache = (maxEntries: number) => Subject<LocalCache> | Promise<Subject<LocalCache>>;

const maxEntries = 64;

const ownerOf = (graceMs: number): EntryOwner => ({
  generation: generationStep,
  hits: 0,
  graceMs,
  eagerShare: 0,
  ttlMs: 60_000,
});

const owner = ownerOf(0);
/** Of a registration with fail-safe: expired entries stay of use. */
const graceful = ownerOf(Number.POSITIVE_INFINITY);

const always = Number.POSITIVE_INFINITY;
/** An instant before every monotonic clock's first. */
const past = -1e12;

const fresh = (value: unknown): Entry => new BareEntry(value, owner, owner.generation, always);
const dirty = (value: unknown): Entry => new TrackedEntry(value, owner, dirtyGeneration, always, 0, undefined);

/** Puts clean entries, `times` as many as the cache may hold. */
const flood = (cache: LocalCache, times: number, visited = false): void => {
  for (const index of range(times * maxEntries)) {
    const entry = fresh(index);
    if (visited) markVisited(entry);
    cache.set(`flood:${index}`, entry);
  }
};

const dirtyCount = 20;

const putDirty = (cache: LocalCache, count: number = dirtyCount): readonly Entry[] =>
  range(count).map((index) => {
    const entry = dirty(index);
    cache.set(`dirty:${index}`, entry);
    return entry;
  });

const assertDirty = (cache: LocalCache, entries: readonly Entry[], what: string): void => {
  for (const [index, entry] of entries.entries())
    assert.equal(cache.get(`dirty:${index}`), entry, `dirty entry ${index} is gone ${what}`);
};

const entryCases: CaseTable<Subject<LocalCache>> = {
  "a cache declares its facts as plain values": (cache) => {
    assert.equal(cache.portVersion, 1);
    assert.ok(["none", "freeze", "clone"].includes(cache.isolate));
  },
  "a key that was not put has no entry": (cache) => {
    cache.set("other", fresh(1));
    assert.equal(cache.get("k"), undefined);
    assert.equal(cache.delete("k"), false);
  },
  "get gives the very entry that was put, whatever its value": (cache) => {
    const values = [undefined, null, 0, Number.NaN, "", "x", false, {}, [1], new Map(), () => 1, 1n];
    for (const [index, value] of values.entries()) {
      const entry = fresh(value);
      cache.set(`k${index}`, entry);
      assert.equal(cache.get(`k${index}`), entry);
      assert.ok(Object.is(entry.value, value));
    }
    const tracked = new TrackedEntry({ a: 1 }, owner, owner.generation, 5e12, 3, "revision");
    cache.set("tracked", tracked);
    assert.equal(cache.get("tracked"), tracked);
  },
  "get gives an expired entry like any other": (cache) => {
    const bare = new BareEntry("x", graceful, graceful.generation, past);
    const tracked = new TrackedEntry("x", graceful, graceful.generation, past, past - 1, "r");
    cache.set("bare", bare);
    cache.set("tracked", tracked);
    assert.equal(cache.get("bare"), bare);
    assert.equal(cache.get("tracked"), tracked);
  },
  "get gives a suspect entry like any other": (cache) => {
    const registration = ownerOf(0);
    const entry = new BareEntry("x", registration, registration.generation, always);
    const slow = new BareEntry("x", registration, -generationStep, always);
    cache.set("k", entry);
    cache.set("slow", slow);
    registration.generation = dirtyGeneration + generationStep;
    assert.equal(cache.get("k"), entry);
    assert.equal(cache.get("slow"), slow);
  },
  "get is no visit": (cache) => {
    const entry = fresh("x");
    cache.set("k", entry);
    for (const _ of range(10)) cache.get("k");
    assert.equal(isVisited(entry), false);
  },
  "a put replaces the entry": (cache) => {
    for (const _ of range(5)) {
      const entry = fresh("x");
      cache.set("k", entry);
      assert.equal(cache.get("k"), entry);
    }
    assert.equal(cache.stats.entries, 1);
    assert.equal([...cache.entries()].length, 1);
  },
  "a deleted entry is gone, and delete says whether there was one": (cache) => {
    cache.set("k", fresh(undefined));
    cache.set("kept", fresh("x"));
    assert.equal(cache.delete("k"), true);
    assert.equal(cache.get("k"), undefined);
    assert.equal(cache.delete("k"), false);
    assert.equal(cache.get("kept")?.value, "x");
    assert.equal(cache.stats.entries, 1);
  },
  "delete also lets go of a dirty entry": (cache) => {
    const entries = putDirty(cache);
    assert.equal(cache.delete("dirty:7"), true);
    assert.equal(cache.get("dirty:7"), undefined);
    assert.equal(cache.get("dirty:8"), entries[8]);
  },
  "clear empties the cache, which then works on": (cache) => {
    flood(cache, 2);
    cache.clear();
    assert.equal(cache.stats.entries, 0);
    assert.equal(cache.stats.bytes, 0);
    assert.deepEqual([...cache.entries()], []);
    assert.equal(cache.get(`flood:${2 * maxEntries - 1}`), undefined);
    const entry = fresh("x");
    cache.set("k", entry);
    assert.equal(cache.get("k"), entry);
    flood(cache, 2);
    assert.ok(cache.stats.entries <= maxEntries);
  },
  "every legal key has an entry of its own": (cache) => {
    assert.ok(oddKeys.length <= maxEntries);
    for (const key of oddKeys) assert.equal(cache.get(key), undefined, JSON.stringify(key));
    for (const key of oddKeys) cache.set(key, fresh(key));
    for (const key of oddKeys) assert.equal(cache.get(key)?.value, key);
    assertSameMembers(
      [...cache.entries()].map(([key]) => key),
      oddKeys,
      "entries",
    );
  },
};

const walkCases: CaseTable<Subject<LocalCache>> = {
  "entries walks every entry once, expired, suspect and dirty ones too": (cache) => {
    const expected = new Map<string, Entry>([
      ["fresh", fresh(1)],
      ["negative", fresh(undefined)],
      ["expired", new BareEntry(1, graceful, graceful.generation, past)],
      ["suspect", new BareEntry(1, owner, -generationStep, always)],
      ["dirty", dirty(1)],
    ]);
    for (const [key, entry] of expected) cache.set(key, entry);
    cache.set("deleted", fresh(1));
    cache.delete("deleted");
    const walked = [...cache.entries()];
    assertSameMembers(
      walked.map(([key]) => key),
      expected.keys(),
      "the keys",
    );
    for (const [key, entry] of walked) assert.equal(entry, expected.get(key), key);
  },
  "entries can be deleted, replaced and put while they are walked": (cache) => {
    const keys = range(40).map((index) => `k${index}`);
    for (const key of keys) cache.set(key, fresh(key));
    const seen: string[] = [];
    for (const [key] of cache.entries()) {
      seen.push(key);
      const number = Number(key.slice(1));
      if (number % 2 === 0) cache.delete(key);
      else cache.set(key, fresh("replaced"));
      if (number === 3) for (const index of range(5)) cache.set(`new${index}`, fresh(index));
      assert.ok(seen.length <= 45, "a walk does not go round");
    }
    const walkedOnce = seen.filter((key) => key.startsWith("k"));
    assertSameMembers(walkedOnce, keys, "every entry that was there");
    for (const key of keys)
      assert.equal(cache.get(key)?.value, Number(key.slice(1)) % 2 === 0 ? undefined : "replaced");
    assert.equal(cache.stats.entries, 25);
  },
  "a walk can be abandoned, and cleared from within": (cache) => {
    for (const index of range(20)) cache.set(`k${index}`, fresh(index));
    for (const [key] of cache.entries()) if (key !== undefined) break;
    let steps = 0;
    for (const _ of cache.entries()) {
      steps += 1;
      cache.clear();
    }
    assert.ok(steps >= 1 && steps <= 20);
    assert.equal(cache.stats.entries, 0);
  },
};

const roomCases: CaseTable<Subject<LocalCache>> = {
  "a full cache makes room for what is put": (cache) => {
    for (const index of range(8 * maxEntries)) {
      const entry = fresh(index);
      if (index % 3 === 0) markVisited(entry);
      cache.set(`k${index}`, entry);
      assert.equal(cache.get(`k${index}`), entry, "what was just put is there");
      assert.ok(cache.stats.entries <= maxEntries, `${cache.stats.entries} entries of ${maxEntries}`);
    }
    assert.equal([...cache.entries()].length, cache.stats.entries);
  },
  "a cache holds more than the last entry": (cache) => {
    for (const index of range(maxEntries / 2)) cache.set(`k${index}`, fresh(index));
    const held = range(maxEntries / 2).filter((index) => cache.get(`k${index}`) !== undefined);
    assert.ok(held.length >= maxEntries / 4, `${held.length} of ${maxEntries / 2} entries are left, with room for all`);
  },
  "a dirty entry is never let go for want of room": (cache) => {
    flood(cache, 1, true);
    const entries = putDirty(cache);
    flood(cache, 6);
    flood(cache, 2, true);
    assertDirty(cache, entries, "after a flood");
  },
  "dirty entries are kept even where they exceed the room there is": (cache) => {
    const entries = putDirty(cache, 2 * maxEntries);
    flood(cache, 2);
    assertDirty(cache, entries, "though all were dirty");
  },
  "a dirty entry is kept however long it waits": async (cache, _other, time) => {
    const entries = range(dirtyCount).map((index) => {
      const entry = new TrackedEntry(index, owner, dirtyGeneration, past, past - 1, undefined);
      cache.set(`dirty:${index}`, entry);
      return entry;
    });
    await time.pass(time.exact ? 60_000 : 30);
    flood(cache, 2);
    assertDirty(cache, entries, "once its time was over");
  },
  "whether an entry is dirty is judged anew with each put": (cache) => {
    flood(cache, 1);
    for (const index of range(dirtyCount)) cache.set(`dirty:${index}`, fresh(index));
    const entries = putDirty(cache);
    flood(cache, 4);
    assertDirty(cache, entries, "though they had become dirty");
    for (const index of range(2 * maxEntries)) cache.set(`dirty:${index}`, dirty(index));
    for (const index of range(2 * maxEntries)) cache.set(`dirty:${index}`, fresh(index));
    flood(cache, 4);
    assert.ok(cache.stats.entries <= maxEntries, "once clean, they give way");
  },
  "what was let go was either evicted or had expired": (cache) => {
    flood(cache, 5);
    for (const index of range(2 * maxEntries))
      cache.set(`useless:${index}`, new BareEntry(index, owner, owner.generation, past));
    const { entries, evictions, expirations } = cache.stats;
    assert.ok(evictions > 0, "evictions are counted");
    assert.equal(entries + evictions + expirations, 7 * maxEntries);
  },
  "what nobody can use any more and is let go counts as expired, not as evicted": async (cache, _other, time) => {
    for (const index of range(maxEntries / 2))
      cache.set(`k${index}`, new BareEntry(index, owner, owner.generation, past));
    await time.pass(time.exact ? 60_000 : 30);
    const { entries, evictions, expirations } = cache.stats;
    assert.equal(evictions, 0, "there was room for all");
    assert.equal(entries + expirations, maxEntries / 2);
    assert.equal([...cache.entries()].length, entries);
  },
  "what was replaced, deleted or cleared counts as neither": (cache) => {
    for (const index of range(maxEntries / 2)) cache.set(`k${index}`, fresh(index));
    for (const index of range(maxEntries / 2)) cache.set(`k${index}`, fresh(index));
    for (const index of range(maxEntries / 4)) cache.delete(`k${index}`);
    cache.clear();
    const { entries, evictions, expirations } = cache.stats;
    assert.deepEqual([entries, evictions, expirations], [0, 0, 0]);
  },
  "the totals of evictions and expirations only grow": (cache) => {
    flood(cache, 3);
    const { evictions, expirations } = cache.stats;
    const before = { evictions, expirations };
    cache.clear();
    flood(cache, 2);
    assert.ok(cache.stats.evictions > before.evictions, "a total of all time, not of what was cleared last");
    assert.ok(cache.stats.expirations >= before.expirations);
  },
  "what is not held has no size": (cache) => {
    for (const index of range(20)) cache.set(`k${index}`, fresh("x".repeat(index)));
    const { bytes } = cache.stats;
    assert.ok(Number.isFinite(bytes) && bytes >= 0);
    for (const index of range(20)) cache.delete(`k${index}`);
    assert.equal(cache.stats.bytes, 0);
    assert.equal(cache.stats.entries, 0);
  },
};

/** The contract of `LocalCache`. */
export const localCacheCases = (open: OpenLocalCache): readonly ConformanceCase[] =>
  casesOf(() => open(maxEntries), [entryCases, walkCases, roomCases]);
