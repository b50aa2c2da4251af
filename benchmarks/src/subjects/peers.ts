import { type CacheEntry, cachified } from "@epic-web/cachified";
import { createCache as createDedupe } from "async-cache-dedupe";
import { BentoCache, bentostore } from "bentocache";
import { memoryDriver } from "bentocache/drivers/memory";
import { createCache as createManager } from "cache-manager";
import { Cacheable, createKeyv } from "cacheable";
import { LRUCache } from "lru-cache";
import { type Load, lifeMs, type Open, type Subject, type Value } from "./subject.ts";

// Each as its documentation sets it up for one process and live objects; none serializes or clones where it can be told
// not to.

const openBento: Open = (entries) => {
  const layer = bentostore().useL1Layer(memoryDriver({ maxItems: entries, serialize: false }));
  const cache = new BentoCache({ default: "memory", ttl: lifeMs, stores: { memory: layer } });
  return {
    name: "bentocache",
    get: async (key) => cache.get<Value>({ key }),
    getOrSet: (key, loader) => cache.getOrSet({ key, factory: loader }),
    set: (key, value) => cache.set({ key, value }),
    close: () => cache.disconnectAll(),
  };
};

const openCacheable: Open = (entries) => {
  const cache = new Cacheable({ primary: createKeyv({ useClone: false, lruSize: entries }), ttl: lifeMs });
  return {
    name: "cacheable",
    get: (key) => cache.get<Value>(key),
    getOrSet: (key, loader) => cache.getOrSet<Value>(key, loader),
    set: (key, value) => cache.set(key, value),
    close: () => cache.disconnect(),
  };
};

const openManager: Open = (entries) => {
  const cache = createManager({ stores: [createKeyv({ useClone: false, lruSize: entries })], ttl: lifeMs });
  return {
    name: "cache-manager",
    get: (key) => cache.get<Value>(key),
    getOrSet: (key, loader) => cache.wrap(key, loader),
    set: (key, value) => cache.set(key, value),
    close: async () => {
      await cache.disconnect();
    },
  };
};

const openCachified: Open = (entries) => {
  const cache = new LRUCache<string, CacheEntry>({ max: entries });
  const read = (key: string, load: Load): Promise<Value> => cachified({ key, cache, ttl: lifeMs, getFreshValue: load });
  return {
    name: "cachified + lru-cache",
    get: (key) => read(key, () => Promise.reject(new Error("a hit was expected"))),
    getOrSet: (key, loader) => read(key, loader),
    set: (key, value) => cachified({ key, cache, ttl: lifeMs, forceFresh: true, getFreshValue: () => value }),
    close: async () => cache.clear(),
  };
};

const openDedupe: Open = (entries) => {
  let current: Load = () => Promise.reject(new Error("a hit was expected"));
  const cache = createDedupe({ ttl: lifeMs / 1000, storage: { type: "memory", options: { size: entries } } }).define(
    "value",
    (_key: string) => current(),
  );
  return {
    name: "async-cache-dedupe",
    get: (key) => cache.value(key),
    getOrSet: (key, loader) => {
      current = loader;
      return cache.value(key);
    },
    set: (key, value) => cache.set("value", key, value, lifeMs / 1000),
    close: () => cache.clear(),
  };
};

/** The libraries that Warp is compared with. */
export const peers: readonly Open[] = [openBento, openCacheable, openManager, openCachified, openDedupe];

export const openPeers = (entries: number): readonly Subject[] =>
  peers.map((open) => ({ ...open(entries), isPeer: true }));
