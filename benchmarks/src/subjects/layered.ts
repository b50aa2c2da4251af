import KeyvRedis from "@keyv/redis";
import { RedisCache } from "@warp/cache-redis";
import { MemoryCache, silentLogger, Warp } from "@warp/core";
import { BentoCache, bentostore } from "bentocache";
import { memoryDriver } from "bentocache/drivers/memory";
import { redisDriver } from "bentocache/drivers/redis";
import { Cacheable, createKeyv } from "cacheable";
import { Redis } from "ioredis";
import { Keyv } from "keyv";
import { type Load, lifeMs, type Value } from "./subject.ts";

/** A local tier in front of Redis, everything else as its documentation sets it up. */
export interface LayeredSubject {
  readonly name: string;
  getOrSet(key: string, load: Load): Promise<Value | undefined>;
  close(): Promise<void>;
}

export const layeredWarpName = "Warp";

const openWarp = (url: string): LayeredSubject => {
  const redis = new Redis(url);
  // Its own logger would write a line for each reconnect that fails.
  redis.on("error", () => {});
  const localCache = new MemoryCache({ maxEntries: 10_000 });
  const warp = new Warp<Record<string, Value>>({
    localCache,
    sharedCache: new RedisCache(redis),
    logger: silentLogger,
  });
  warp.register("*", { ttl: lifeMs });
  return {
    name: layeredWarpName,
    getOrSet: (key, load) => warp.getOrSet(key, load),
    close: async () => {
      await warp.close();
      localCache.close();
      redis.disconnect();
    },
  };
};

const openBento = (url: string): LayeredSubject => {
  const redis = new Redis(url);
  redis.on("error", () => {});
  const layer = bentostore()
    .useL1Layer(memoryDriver({ maxItems: 10_000 }))
    .useL2Layer(redisDriver({ connection: redis }));
  const cache = new BentoCache({ default: "layered", ttl: lifeMs, stores: { layered: layer } });
  return {
    name: "bentocache",
    getOrSet: (key, factory) => cache.getOrSet<Value>({ key, factory }),
    close: async () => {
      await cache.disconnectAll();
      redis.disconnect();
    },
  };
};

const openCacheable = (url: string): LayeredSubject => {
  const secondary = new Keyv({ store: new KeyvRedis(url) });
  const cache = new Cacheable({ primary: createKeyv({ lruSize: 10_000 }), secondary, ttl: lifeMs });
  for (const events of [secondary, cache]) events.on("error", () => {});
  return {
    name: "cacheable",
    getOrSet: (key, load) => cache.getOrSet<Value>(key, load),
    close: () => cache.disconnect(),
  };
};

export const openLayeredWarp = (url: string): readonly LayeredSubject[] => [openWarp(url)];

export const openLayeredPeers = (url: string): readonly LayeredSubject[] => [openBento(url), openCacheable(url)];
