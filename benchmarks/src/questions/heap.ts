import { BareEntry, MemoryCache, systemRandom, TrackedEntry } from "@warp/core";
import { ownerOfAll } from "../policies/caches.ts";
import type { Answer, Question } from "../question.ts";
import { heapAfterCollection } from "../statistics.ts";
import { openLru } from "../subjects/floors.ts";
import { peers } from "../subjects/peers.ts";
import { lifeMs, type Open, type Value } from "../subjects/subject.ts";

const entries = 50_000;

const keyOf = (n: number): string => Buffer.from(`tenant:0001:user:${n}:`.padEnd(64, "x")).toString("latin1");
/** A record of five fields, one of them text of its own. */
const recordOf = (n: number): Value & Record<string, unknown> => ({
  n,
  text: Buffer.from(`user number ${n}`.padEnd(40, ".")).toString("latin1"),
  age: n & 63,
  active: (n & 1) === 0,
  tags: [n & 7, n & 3],
});

/** Puts `entries` entries and returns what holds them. */
type Fill = () => unknown;

const fillMap: Fill = () => {
  const map = new Map<string, Value>();
  for (let n = 0; n < entries; n++) map.set(keyOf(n), recordOf(n));
  return map;
};

const fillCache =
  (entryOf: (n: number, endsAt: number) => BareEntry | TrackedEntry): Fill =>
  () => {
    const cache = new MemoryCache({ maxEntries: entries });
    for (let n = 0; n < entries; n++) {
      cache.set(keyOf(n), entryOf(n, Math.ceil(performance.now()) + lifeMs));
    }
    return cache;
  };

const fillBare = fillCache((n, endsAt) => new BareEntry(recordOf(n), ownerOfAll, 0, endsAt));
const fillTracked = fillCache(
  (n, endsAt) => new TrackedEntry(recordOf(n), ownerOfAll, 0, endsAt, endsAt - lifeMs, systemRandom.id()),
);

/** Keeps what was filled reachable: the compiler drops a variable that nobody reads again. */
const kept: unknown[] = [];

const bytesPerEntry = async (fill: () => unknown): Promise<number> => {
  const samples: number[] = [];
  // The first round also makes what is made only once (code, hidden classes).
  for (let round = 0; round < 3; round++) {
    kept.length = 0;
    // A turn of the event loop, so that no frame on the stack still refers to what was filled before.
    await new Promise((resolve) => setImmediate(resolve));
    const before = heapAfterCollection();
    kept.push(await fill());
    samples.push((heapAfterCollection() - before) / entries);
  }
  kept.length = 0;
  return Math.min(...samples);
};

const fillSubject = (open: Open) => async (): Promise<unknown> => {
  const subject = open(entries);
  for (let n = 0; n < entries; n++) {
    const value = recordOf(n);
    await subject.getOrSet(keyOf(n), async () => value);
  }
  return subject;
};

const ask = async (): Promise<Answer> => {
  const map = await bytesPerEntry(fillMap);
  const bare = await bytesPerEntry(fillBare);
  const tracked = await bytesPerEntry(fillTracked);
  const rows: (string | number)[][] = [
    ["Map", map, 1],
    ["Warp's MemoryCache, local-only entry", bare, bare / map],
    ["Warp's MemoryCache, entry with revision", tracked, tracked / map],
  ];
  for (const open of [openLru, ...peers]) {
    const bytes = await bytesPerEntry(fillSubject(open));
    rows.push([open(1).name, bytes, bytes / map]);
  }
  return {
    columns: ["", "B per entry", "× Map"],
    rows,
    targets: [
      { what: "heap per local-only entry, × Map", value: bare / map, bound: "at most", limit: 1.2 },
      { what: "heap per entry with revision, × Map", value: tracked / map, bound: "at most", limit: 1.4 },
    ],
  };
};

export const heap: Question = {
  name: "heap",
  title: "What does an entry take of the heap?",
  method: `${entries} entries with keys of 64 characters and values of five fields, bounded and with a time to live; growth of the heap after collection, key and value included.`,
  ask,
};
