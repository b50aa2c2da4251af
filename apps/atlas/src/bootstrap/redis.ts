import { RedisCache } from "@warp/cache-redis";
import { MemoryCache } from "@warp/core";
import { Redis } from "ioredis";
import { type Caches, Opened, type Surroundings } from "./ports.ts";

/** @param maxEntries Of each node's own cache; `undefined`: nodes have none. */
export const redisCaches = (url: string, maxEntries: number | undefined, { cluster, logger }: Surroundings): Caches => {
  const opened = new Opened();
  const make = (): ReturnType<Caches["make"]> => {
    const client = new Redis(url, { keepAlive: 10_000, connectTimeout: 2_000 });
    // It goes on trying. A cache that is down is no outage, so it hinders no start either.
    client.on("error", (error) => logger.warn({ err: error }, "Redis cannot be reached"));
    opened.add(async () => client.disconnect());
    return {
      localCache: maxEntries === undefined ? false : new MemoryCache({ maxEntries }),
      sharedCache: new RedisCache(client, { prefix: cluster }),
    };
  };
  return { make, close: () => opened.close() };
};
