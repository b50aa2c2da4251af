// The only file that knows which adapters there are.
import { connect as connectSocket } from "node:net";
import { S3Client } from "@aws-sdk/client-s3";
import { connect } from "@nats-io/transport-node";
import { KafkaBus } from "@warp/bus-kafka";
import { NatsBus } from "@warp/bus-nats";
import { RedisCache } from "@warp/cache-redis";
import type { Bus, SharedCache, Store } from "@warp/core";
import { fromPool, PgStore } from "@warp/store-pg";
import { S3Store } from "@warp/store-s3";
import { Redis } from "ioredis";
import { Kafka, logLevel } from "kafkajs";
import { Pool } from "pg";
import type { Addresses, Combination } from "./protocol.ts";

/** The longest that a commit of these tests may be under way: no proxy stalls a store's line for longer. */
export const landsWithinMs = 10_000;

/** What one node talks through, and how to end it. */
export interface Ports {
  readonly store: Store;
  readonly bus: Bus;
  readonly sharedCache?: SharedCache;
  close(): Promise<void>;
}

interface Opened<Port> {
  readonly port: Port;
  close(): Promise<void>;
}

const openPg = async (url: string, run: string): Promise<Opened<Store>> => {
  const pool = new Pool({
    connectionString: url,
    max: 8,
    keepAlive: true,
    connectionTimeoutMillis: 2_000,
    statement_timeout: 5_000,
    query_timeout: 6_000,
  });
  // An idle connection that breaks is no news: faults are what these tests are about.
  pool.on("error", () => {});
  const store = new PgStore(fromPool(pool), { table: `run_${run}`, landsWithin: landsWithinMs, reapEvery: 1_000 });
  await store.migrate();
  return {
    port: store,
    close: async () => {
      await store.close();
      await pool.end();
    },
  };
};

const openS3 = async (url: string, run: string): Promise<Opened<Store>> => {
  const { origin, username, password, pathname } = new URL(url);
  const client = new S3Client({
    endpoint: origin,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: username, secretAccessKey: password },
  });
  const store = new S3Store(client, {
    bucket: pathname.slice(1),
    prefix: `run_${run}/`,
    landsWithin: landsWithinMs,
    conditionalDelete: false,
  });
  return {
    port: store,
    close: async () => {
      await store.close();
      client.destroy();
    },
  };
};

const openNats = async (url: string, run: string): Promise<Opened<Bus>> => {
  const connection = await connect({
    servers: url.split(","),
    // Servers of a cluster tell their own addresses: the way there is the proxies.
    ignoreClusterUpdates: true,
    reconnectTimeWait: 100,
    maxReconnectAttempts: -1,
  });
  return {
    port: new NatsBus(connection, { subject: `run_${run}` }),
    close: () => connection.close(),
  };
};

const openKafka = async (url: string, run: string): Promise<Opened<Bus>> => {
  const { hostname, port } = new URL(url);
  const kafka = new Kafka({
    brokers: [`${hostname}:${port}`],
    // Brokers tell clients their own addresses: whatever they say, the way there is the proxy.
    socketFactory: ({ onConnect }) => connectSocket(Number(port), hostname, onConnect),
    logLevel: logLevel.NOTHING,
    retry: { retries: 4, initialRetryTime: 100, maxRetryTime: 1_000 },
    requestTimeout: 10_000,
  });
  const bus = new KafkaBus(kafka, { topic: `run_${run}`, createTopic: { partitions: 2 } });
  return { port: bus, close: () => bus.close() };
};

const openRedis = (url: string, run: string): Opened<SharedCache> => {
  const { hostname: host, port, pathname } = new URL(url);
  const at = { host, port: Number(port) };
  const common = { retryStrategy: () => 100, connectTimeout: 1_000 };
  // Of a Sentinel, the URL's path is the name of what it watches.
  const redis =
    pathname.length > 1
      ? new Redis({ ...common, sentinels: [at], name: pathname.slice(1), sentinelRetryStrategy: () => 100 })
      : new Redis({ ...common, ...at });
  // Without a listener the client prints each failure to connect.
  redis.on("error", () => {});
  return {
    port: new RedisCache(redis, { prefix: `run_${run}` }),
    close: async () => redis.disconnect(),
  };
};

const stores = { pg: openPg, s3: openS3 };
const buses = { nats: openNats, "nats-cluster": openNats, kafka: openKafka };

/** The store of a run, for whoever wants to see it without a node around it. */
export const openStore = (
  kind: Combination["store"],
  addresses: Pick<Addresses, "store">,
  run: string,
): Promise<Opened<Store>> => stores[kind](addresses.store, run);

/** Opens what a node talks through. */
export const openPorts = async (combination: Combination, addresses: Addresses, run: string): Promise<Ports> => {
  const store = await openStore(combination.store, addresses, run);
  const bus = await buses[combination.bus](addresses.bus, run);
  const cache = combination.cache === "memory" ? undefined : openRedis(addresses.cache, run);
  return {
    store: store.port,
    bus: bus.port,
    ...(cache && { sharedCache: cache.port }),
    close: async () => {
      await Promise.all([store.close(), bus.close(), cache?.close()]);
    },
  };
};
