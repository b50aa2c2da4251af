import { MemoryCache, MemorySharedCache, type SharedCache, Warp } from "@warp/core";
import { lifeMs, type Subject, type Value } from "./subject.ts";

export const warpName = "Warp";

export const twoTiersName = "Warp, two tiers";

const opened = (name: string, warp: Warp<Record<string, Value>>, localCache: MemoryCache): Subject => ({
  name,
  get: (key) => warp.get(key),
  getOrSet: (key, load) => warp.getOrSet(key, load),
  set: (key, value) => warp.set(key, value),
  peek: (key) => warp.peek(key),
  close: async () => {
    await warp.close();
    localCache.close();
  },
});

/** Warp as one process uses it: a local tier, metrics on, no store and no bus. */
export const openWarp = (entries: number): Subject => {
  const localCache = new MemoryCache({ maxEntries: entries });
  const warp = new Warp<Record<string, Value>>({ localCache });
  warp.register("*", { mode: "strong-local", ttl: lifeMs });
  return opened(warpName, warp, localCache);
};

/** With a shared tier in this process. @param onCall Told of every command that reads or puts. */
export const openTwoTiers = (entries: number, onCall: () => void): Subject => {
  const localCache = new MemoryCache({ maxEntries: entries });
  const tier = new MemorySharedCache();
  const sharedCache: SharedCache = {
    portVersion: tier.portVersion,
    read: (keys, reserveMs, options) => {
      onCall();
      return tier.read(keys, reserveMs, options);
    },
    put: (puts, options) => {
      onCall();
      return tier.put(puts, options);
    },
    drop: (keys, options) => tier.drop(keys, options),
    epoch: (replace, options) => tier.epoch(replace, options),
    onRollback: (listener) => tier.onRollback(listener),
  };
  const warp = new Warp<Record<string, Value>>({ localCache, sharedCache });
  warp.register("*", { mode: "eventual-distributed", ttl: lifeMs });
  return opened(twoTiersName, warp, localCache);
};
