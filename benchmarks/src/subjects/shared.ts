import KeyvRedis from "@keyv/redis";
import { NatsBus } from "@warp/bus-nats";
import { RedisCache } from "@warp/cache-redis";
import { Warp } from "@warp/core";
import { BentoCache, bentostore } from "bentocache";
import { redisDriver } from "bentocache/drivers/redis";
import { Cacheable } from "cacheable";
import { Redis } from "ioredis";
import { Keyv } from "keyv";
import { connect } from "nats";
import { lifeMs, type Value } from "./subject.ts";

/** A cache whose values are in Redis and nowhere else. */
export interface SharedSubject {
  readonly name: string;
  /** Another library's: measured on fewer calls, being slower. */
  readonly isPeer?: boolean;
  get(key: string): Promise<Value | undefined>;
  set(key: string, value: Value): Promise<unknown>;
  close(): Promise<void>;
}

/** Where the servers are. */
export interface SharedMeeting {
  readonly redis: string;
  readonly nats: string;
}

export const rawName = "ioredis";
const autoPipeliningName = "ioredis, auto-pipelining";
const byHandName = "by hand: Map, MGET per turn";
export const warpSharedName = "Warp, shared tier alone";
export const warpInvalidatingName = "Warp, both tiers and NATS";
export const publishingName = "ioredis, set and publish";
const bentoName = "bentocache";
const cacheableName = "cacheable";

/** Longer than by default, so that a pause of a busy machine does not end the measurement. */
const deadlines = { cache: "5s" } as const;

const parsed = (text: string | null | undefined): Value | undefined =>
  typeof text === "string" ? (JSON.parse(text) as Value) : undefined;

/** What every user has: a client, JSON, and a life for each key. */
const openRaw = (url: string, name: string, enableAutoPipelining: boolean): SharedSubject => {
  const redis = new Redis(url, { enableAutoPipelining });
  return {
    name,
    get: async (key) => parsed(await redis.get(`raw:${key}`)),
    set: (key, value) => redis.set(`raw:${key}`, JSON.stringify(value), "PX", lifeMs),
    close: async () => redis.disconnect(),
  };
};

/** And what many write next: a message for each write, so that others can drop their copies. */
const openPublishing = (url: string): SharedSubject => {
  const redis = new Redis(url);
  return {
    name: publishingName,
    get: async (key) => parsed(await redis.get(`published:${key}`)),
    set: async (key, value) => {
      await redis.set(`published:${key}`, JSON.stringify(value), "PX", lifeMs);
      await redis.publish("published", key);
    },
    close: async () => redis.disconnect(),
  };
};

/** A cache of fifty lines, as services have them: a Map in front of Redis, reads of one turn in one MGET. */
const openByHand = (url: string, room: number): SharedSubject => {
  const redis = new Redis(url);
  const local = new Map<string, Value>();
  const waiting = new Map<string, ((value: Value | undefined) => void)[]>();
  const keep = (key: string, value: Value): void => {
    if (local.size >= room) for (const [oldest] of local) if (local.delete(oldest)) break;
    local.set(key, value);
  };
  const flush = async (): Promise<void> => {
    const batch = [...waiting];
    waiting.clear();
    const texts = await redis.mget(batch.map(([key]) => `hand:${key}`));
    for (const [at, [key, callers]] of batch.entries()) {
      const value = parsed(texts[at]);
      if (value !== undefined) keep(key, value);
      for (const resolve of callers) resolve(value);
    }
  };
  const ask = (key: string): Promise<Value | undefined> =>
    new Promise((resolve) => {
      if (waiting.size === 0) process.nextTick(() => void flush());
      const callers = waiting.get(key);
      if (callers === undefined) waiting.set(key, [resolve]);
      else callers.push(resolve);
    });
  return {
    name: byHandName,
    get: async (key) => local.get(key) ?? ask(key),
    set: async (key, value) => {
      await redis.set(`hand:${key}`, JSON.stringify(value), "PX", lifeMs);
      keep(key, value);
    },
    close: async () => redis.disconnect(),
  };
};

const openWarpShared = (url: string): SharedSubject => {
  const redis = new Redis(url);
  const warp = new Warp<Record<string, Value>>({ localCache: false, sharedCache: new RedisCache(redis), deadlines });
  warp.register("*", { ttl: lifeMs });
  return {
    name: warpSharedName,
    get: (key) => warp.get(key),
    set: (key, value) => warp.set(key, value),
    close: async () => {
      await warp.close();
      redis.disconnect();
    },
  };
};

/** What a service has: both tiers, and other nodes are told of each write. */
const openWarpInvalidating = async (url: string, natsUrl: string): Promise<SharedSubject> => {
  const redis = new Redis(url);
  const connection = await connect({ servers: natsUrl });
  const sharedCache = new RedisCache(redis, { prefix: "invalidating" });
  const warp = new Warp<Record<string, Value>>({ sharedCache, bus: new NatsBus(connection), deadlines });
  warp.register("*", { ttl: lifeMs });
  await warp.ready();
  return {
    name: warpInvalidatingName,
    get: (key) => warp.get(key),
    set: (key, value) => warp.set(key, value),
    close: async () => {
      await warp.close();
      await connection.close();
      redis.disconnect();
    },
  };
};

const openBento = (url: string): SharedSubject => {
  const { hostname: host, port } = new URL(url);
  const layer = bentostore().useL2Layer(redisDriver({ connection: { host, port: Number(port) } }));
  const bento = new BentoCache({ default: "redis", ttl: lifeMs, stores: { redis: layer } });
  return {
    name: bentoName,
    isPeer: true,
    get: async (key) => bento.get<Value>({ key }),
    set: (key, value) => bento.set({ key, value }),
    close: () => bento.disconnectAll(),
  };
};

const openCacheable = (url: string): SharedSubject => {
  const cacheable = new Cacheable({ primary: new Keyv({ store: new KeyvRedis(url) }), ttl: lifeMs });
  return {
    name: cacheableName,
    isPeer: true,
    get: (key) => cacheable.get<Value>(key),
    set: (key, value) => cacheable.set(key, value),
    close: () => cacheable.disconnect(),
  };
};

type Open = (meeting: SharedMeeting) => SharedSubject | Promise<SharedSubject>;

/** By name; the peers without their local tier where they can be told. */
export const sharedSubjects: Readonly<Record<string, Open>> = {
  [rawName]: ({ redis }) => openRaw(redis, rawName, false),
  [autoPipeliningName]: ({ redis }) => openRaw(redis, autoPipeliningName, true),
  [byHandName]: ({ redis }) => openByHand(redis, 1),
  [warpSharedName]: ({ redis }) => openWarpShared(redis),
  [bentoName]: ({ redis }) => openBento(redis),
  [cacheableName]: ({ redis }) => openCacheable(redis),
  [publishingName]: ({ redis }) => openPublishing(redis),
  [warpInvalidatingName]: ({ redis, nats }) => openWarpInvalidating(redis, nats),
};

/** Those that tell nobody of a write. */
export const plainNames: readonly string[] = [
  rawName,
  autoPipeliningName,
  byHandName,
  warpSharedName,
  bentoName,
  cacheableName,
];
