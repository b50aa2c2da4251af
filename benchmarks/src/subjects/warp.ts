import { MemoryCache, Warp } from "@warp/core";
import { lifeMs, type Subject, type Value } from "./subject.ts";

export const warpName = "Warp";

/** Warp as one process uses it: a local tier, metrics on, no store and no bus. */
export const openWarp = (entries: number): Subject => {
  const localCache = new MemoryCache({ maxEntries: entries });
  const warp = new Warp<Record<string, Value>>({ localCache });
  warp.register("*", { mode: "strong-local", ttl: lifeMs });
  return {
    name: warpName,
    get: (key) => warp.get(key),
    getOrSet: (key, load) => warp.getOrSet(key, load),
    set: (key, value) => warp.set(key, value),
    peek: (key) => warp.peek(key),
    close: async () => {
      await warp.close();
      localCache.close();
    },
  };
};
