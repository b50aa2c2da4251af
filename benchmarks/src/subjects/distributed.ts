import { connect as connectSocket } from "node:net";
import KeyvRedis from "@keyv/redis";
import { RedisMessageProvider } from "@qified/redis";
import { KafkaBus } from "@warp/bus-kafka";
import { NatsBus } from "@warp/bus-nats";
import { RedisCache } from "@warp/cache-redis";
import { type Bus, MemoryCache, silentLogger, Warp } from "@warp/core";
import { BentoCache, bentostore } from "bentocache";
import { memoryDriver } from "bentocache/drivers/memory";
import { redisBusDriver, redisDriver } from "bentocache/drivers/redis";
import { Cacheable, createKeyv } from "cacheable";
import { Redis } from "ioredis";
import { Kafka, logLevel } from "kafkajs";
import { Keyv } from "keyv";
import { connect } from "nats";
import { createClient } from "redis";
import { lifeMs, type Value } from "./subject.ts";

/** Where the nodes of a cluster meet. `bus` may lead through a proxy; `redis` does not. */
export interface Meeting {
  readonly redis: string;
  /** Of the subject's own kind of bus. */
  readonly bus: string;
}

/** One node of a cluster of caches, in a process of its own. */
export interface DistributedNode {
  /** Whether it holds a copy that it would serve, where the library can say so without asking anybody. */
  readonly holds?: (key: string) => boolean;
  /** Tells the others to forget the key, where that is a call of its own. */
  readonly invalidate?: (key: string) => Promise<unknown>;
  get(key: string): Promise<Value | undefined>;
  set(key: string, value: Value): Promise<unknown>;
  close(): Promise<void>;
}

const room = 20_000;
const ignore = (): void => {};

/** @param redis Where the shared tier is, if there is one. */
const openWarp = async (redis: Redis | undefined, bus: Bus, end: () => Promise<void>): Promise<DistributedNode> => {
  const localCache = new MemoryCache({ maxEntries: room });
  const tiers = redis === undefined ? { localCache } : { localCache, sharedCache: new RedisCache(redis) };
  const deadlines = { cache: "5s" } as const;
  const warp = new Warp<Record<string, Value>>({ ...tiers, bus, deadlines, logger: silentLogger });
  warp.register("*", { ttl: lifeMs });
  await warp.ready();
  return {
    get: (key) => warp.find(key),
    set: (key, value) => warp.set(key, value),
    holds: (key) => warp.peek(key) !== undefined,
    invalidate: (key) => warp.invalidate(key),
    close: async () => {
      await warp.close();
      localCache.close();
      await end();
      redis?.disconnect();
    },
  };
};

const toNats = (bus: string): ReturnType<typeof connect> =>
  connect({ servers: bus, maxReconnectAttempts: -1, reconnectTimeWait: 100 });

const openWarpOnNats = async ({ redis, bus }: Meeting): Promise<DistributedNode> => {
  const connection = await toNats(bus);
  return openWarp(new Redis(redis), new NatsBus(connection), () => connection.close());
};

const openLocalOnNats = async ({ bus }: Meeting): Promise<DistributedNode> => {
  const connection = await toNats(bus);
  return openWarp(undefined, new NatsBus(connection), () => connection.close());
};

const openWarpOnKafka = async ({ redis, bus }: Meeting): Promise<DistributedNode> => {
  const { host, hostname, port } = new URL(bus);
  const kafka = new Kafka({
    brokers: [host],
    // Brokers tell clients their own addresses, past any proxy.
    socketFactory: ({ onConnect }) => connectSocket(Number(port), hostname, onConnect),
    logLevel: logLevel.NOTHING,
  });
  const kafkaBus = new KafkaBus(kafka, { createTopic: {} });
  return openWarp(new Redis(redis), kafkaBus, () => kafkaBus.close());
};

const quietRedis = (url: string): Redis => new Redis(url).on("error", ignore);

const openBento = async ({ redis, bus }: Meeting): Promise<DistributedNode> => {
  const { hostname: host, port } = new URL(bus);
  const connections = [quietRedis(redis)];
  const layer = bentostore()
    .useL1Layer(memoryDriver({ maxItems: room }))
    .useL2Layer(redisDriver({ connection: connections[0] as Redis }))
    .useBus(redisBusDriver({ connection: { host, port: Number(port) } }));
  const cache = new BentoCache({ default: "layered", ttl: lifeMs, stores: { layered: layer } });
  return {
    get: async (key) => cache.get<Value>({ key }),
    set: (key, value) => cache.set({ key, value }),
    close: async () => {
      await cache.disconnectAll();
      for (const connection of connections) connection.disconnect();
    },
  };
};

const openCacheable = async ({ redis, bus }: Meeting): Promise<DistributedNode> => {
  const provider = new RedisMessageProvider({ uri: bus });
  const cache = new Cacheable({
    primary: createKeyv({ lruSize: room }),
    secondary: new Keyv({ store: new KeyvRedis(redis) }),
    ttl: lifeMs,
    sync: { qified: provider },
  });
  cache.on("error", ignore);
  return {
    get: (key) => cache.get<Value>(key),
    set: (key, value) => cache.set(key, value),
    close: () => cache.disconnect(),
  };
};

/** Redis tells the client itself which keys others have changed (CLIENT TRACKING). */
const openTracking = async ({ bus }: Meeting): Promise<DistributedNode> => {
  const clientSideCache = { ttl: 0, maxEntries: room, evictPolicy: "LRU" } as const;
  const client = createClient({ url: bus, RESP: 3, clientSideCache }).on("error", ignore);
  await client.connect();
  return {
    get: async (key) => {
      const text = await client.get(key);
      return typeof text === "string" ? (JSON.parse(text) as Value) : undefined;
    },
    set: (key, value) => client.set(key, JSON.stringify(value)),
    close: async () => client.destroy(),
  };
};

export const localOnNats = "Warp, NATS, no shared tier";
export const warpOnNats = "Warp, NATS";
export const warpOnKafka = "Warp, Kafka";

/** How to open a node, and over which server its nodes tell one another of changes. */
export const distributed: Readonly<
  Record<string, { readonly bus: "nats" | "kafka" | "redis"; open(meeting: Meeting): Promise<DistributedNode> }>
> = {
  [localOnNats]: { bus: "nats", open: openLocalOnNats },
  [warpOnNats]: { bus: "nats", open: openWarpOnNats },
  [warpOnKafka]: { bus: "kafka", open: openWarpOnKafka },
  "bentocache, Redis": { bus: "redis", open: openBento },
  "cacheable, Redis": { bus: "redis", open: openCacheable },
  "node-redis, client-side cache": { bus: "redis", open: openTracking },
};
