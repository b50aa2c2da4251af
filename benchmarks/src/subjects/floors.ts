import { LRUCache } from "lru-cache";
import { type Load, lifeMs, type Subject, type Value } from "./subject.ts";

export const mapName = "Map, awaited";

/** What no cache can beat: a `Map` behind async functions. Bounded by nothing; a hand-made single flight for loads. */
export const openMap = (): Subject => {
  const map = new Map<string, Value>();
  const flights = new Map<string, Promise<Value>>();
  const load = async (key: string, loader: Load): Promise<Value> => {
    try {
      const value = await loader();
      map.set(key, value);
      return value;
    } finally {
      flights.delete(key);
    }
  };
  return {
    name: mapName,
    get: async (key) => map.get(key),
    getOrSet: async (key, loader) => {
      const value = map.get(key);
      if (value !== undefined) return value;
      const flight = flights.get(key) ?? load(key, loader);
      flights.set(key, flight);
      return flight;
    },
    set: async (key, value) => {
      map.set(key, value);
    },
    peek: (key) => map.get(key),
    close: async () => map.clear(),
  };
};

/** `lru-cache` behind async functions, with a time to live. */
export const openLru = (entries: number): Subject => {
  const cache = new LRUCache<string, Value>({
    max: entries,
    ttl: lifeMs,
    fetchMethod: (_key, _stale, { context }) => (context as Load)(),
  });
  return {
    name: "lru-cache, awaited",
    get: async (key) => cache.get(key),
    getOrSet: (key, loader) => cache.fetch(key, { context: loader }),
    set: async (key, value) => {
      cache.set(key, value);
    },
    peek: (key) => cache.get(key),
    close: async () => cache.clear(),
  };
};
