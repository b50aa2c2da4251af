import { BareEntry, MemoryCache } from "@warp/core";
import { createCache as createDedupe } from "async-cache-dedupe";
import { BentoCache, bentostore } from "bentocache";
import { memoryDriver } from "bentocache/drivers/memory";
import { CacheableMemory } from "cacheable";
import { LRUCache } from "lru-cache";
import { ownerOfAll } from "../policies/caches.ts";
import type { Answer, Question } from "../question.ts";
import { heapAfterCollection } from "../statistics.ts";

const entries = 50_000;
const lifeMs = 1_000;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** How the entries are put; returns what holds them and, where it can be told, how many are held. */
interface Holder {
  readonly name: string;
  fill(): Promise<{ readonly held: unknown; readonly size?: () => number; readonly stop?: () => void }>;
}

const fillEach = async (put: (key: string, value: object) => unknown): Promise<void> => {
  for (let n = 0; n < entries; n++) await put(`user:${n}`, { n, text: `value ${n}` });
};

const holders: readonly Holder[] = [
  { name: "nothing (idle loop)", fill: async () => ({ held: undefined, size: () => 0 }) },
  {
    name: "Warp's MemoryCache",
    fill: async () => {
      const cache = new MemoryCache();
      const endsAt = Math.ceil(performance.now()) + lifeMs;
      await fillEach((key, value) => cache.set(key, new BareEntry(value, ownerOfAll, 0, endsAt)));
      return { held: cache, size: () => cache.stats.entries, stop: () => cache.close() };
    },
  },
  {
    name: "lru-cache, ttlAutopurge",
    fill: async () => {
      const cache = new LRUCache<string, object>({ max: entries, ttl: lifeMs, ttlAutopurge: true });
      await fillEach((key, value) => cache.set(key, value));
      return { held: cache, size: () => cache.size };
    },
  },
  {
    name: "lru-cache (bentocache, cachified)",
    fill: async () => {
      const cache = new BentoCache({
        default: "memory",
        ttl: lifeMs,
        stores: { memory: bentostore().useL1Layer(memoryDriver({ maxItems: entries, serialize: false })) },
      });
      await fillEach((key, value) => cache.set({ key, value }));
      return { held: cache };
    },
  },
  {
    name: "cacheable's CacheableMemory, checkInterval 500 ms",
    fill: async () => {
      const cache = new CacheableMemory({ ttl: lifeMs, checkInterval: 500, useClone: false });
      await fillEach((key, value) => cache.set(key, value));
      return { held: cache, size: () => cache.size, stop: () => cache.stopIntervalCheck() };
    },
  },
  {
    name: "async-cache-dedupe",
    fill: async () => {
      const storage = { type: "memory", options: { size: entries } } as const;
      const cache = createDedupe({ ttl: lifeMs / 1000, storage }).define("value", async (key: string) => ({ key }));
      await fillEach((key) => cache.value(key));
      return { held: cache };
    },
  },
];

/** The longest time between two turns of the event loop until `stop` is called, in milliseconds. */
const watchLoop = (): { stop: () => number } => {
  let last = performance.now();
  let longest = 0;
  let running = true;
  const turn = (): void => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (running) setImmediate(turn);
  };
  setImmediate(turn);
  return {
    stop: () => {
      running = false;
      return longest;
    },
  };
};

interface Outcome {
  readonly stall: number;
  readonly left: number;
}

/** From when the last entry was put: waits until all are expired and another second. */
const watch = async ({ fill }: Holder): Promise<Outcome> => {
  const empty = heapAfterCollection();
  const began = performance.now();
  const { held, size, stop } = await fill();
  const full = heapAfterCollection();
  const filledAt = performance.now();
  // Filling takes some peers longer than the entries live: what leaves meanwhile is not watched.
  const watchLoopNow = watchLoop();
  await pause(Math.max(0, began + lifeMs - filledAt) + (filledAt - began) + 1_000);
  const stall = watchLoopNow.stop();
  const left = size?.() ?? Math.round(((heapAfterCollection() - empty) / (full - empty)) * entries);
  stop?.();
  return { stall, left: held === undefined ? 0 : left };
};

const ask = async (): Promise<Answer> => {
  const outcomes = new Map<string, Outcome>();
  for (const holder of holders) {
    // What disturbs the machine lengthens a stall, nothing shortens it: the best of three counts.
    const runs: Outcome[] = [];
    for (let run = 0; run < 3; run++) runs.push(await watch(holder));
    outcomes.set(holder.name, {
      stall: Math.min(...runs.map(({ stall }) => stall)),
      left: Math.max(...runs.map(({ left }) => left)),
    });
  }
  const warp = outcomes.get("Warp's MemoryCache");
  return {
    columns: ["", "longest stall: ms", "left a second later"],
    rows: [...outcomes].map(([name, { stall, left }]) => [name, stall, left]),
    targets: [
      {
        what: "longest stall while 50 000 entries expire, ms",
        value: warp?.stall ?? Number.NaN,
        bound: "at most",
        limit: 5,
      },
      { what: "expired entries left after a second", value: warp?.left ?? Number.NaN, bound: "at most", limit: 0 },
    ],
  };
};

export const expiryStall: Question = {
  name: "expiry-stall",
  title: "What does it cost when 50 000 entries expire?",
  method: `${entries} entries that live ${lifeMs} ms; the longest time between two turns of the event loop from their filling until a second after their end (best of three), and how many are still held then (where a library does not tell, by the heap).`,
  ask,
};
