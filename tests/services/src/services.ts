import { startKafka } from "./kafka.ts";
import { type NatsCluster, startNats, startNatsCluster } from "./nats.ts";
import { startPostgres } from "./postgres.ts";
import { startRedis } from "./redis.ts";
import { type RedisCluster, startRedisCluster } from "./redis-cluster.ts";
import { type RedisSentinel, startRedisSentinel } from "./redis-sentinel.ts";
import { startS3 } from "./s3.ts";
import type { RunningService, Server } from "./server.ts";

export type { NatsCluster } from "./nats.ts";
export type { RedisCluster } from "./redis-cluster.ts";
export type { RedisSentinel } from "./redis-sentinel.ts";
export type { RunningService, Server } from "./server.ts";

/** A kind of server. */
export interface Service<Started extends RunningService> {
  /** For people. */
  readonly name: string;
  /** The environment variable that names a running one instead. */
  readonly variable: string;
  /** Starts one of one's own. @throws If this machine has none and cannot install one, saying how to get it. */
  start(): Promise<Started>;
}

/** The servers that tests can ask for. */
export interface Services {
  readonly nats: Service<Server>;
  readonly "nats-cluster": Service<NatsCluster>;
  readonly postgres: Service<Server>;
  readonly redis: Service<Server>;
  /** Three masters, each with a replica. */
  readonly "redis-cluster": Service<RedisCluster>;
  readonly "redis-sentinel": Service<RedisSentinel>;
  readonly s3: Service<Server>;
  /** Kafka 3.9. */
  readonly kafka: Service<Server>;
  /** Kafka 4.1. */
  readonly kafka4: Service<Server>;
}

export type ServiceName = keyof Services;

export const services: Services = {
  nats: { name: "NATS", variable: "WARP_TEST_NATS_URL", start: () => startNats() },
  "nats-cluster": { name: "NATS cluster", variable: "WARP_TEST_NATS_CLUSTER_URL", start: startNatsCluster },
  postgres: { name: "PostgreSQL", variable: "WARP_TEST_POSTGRES_URL", start: startPostgres },
  redis: { name: "Redis", variable: "WARP_TEST_REDIS_URL", start: startRedis },
  "redis-cluster": {
    name: "Redis Cluster",
    variable: "WARP_TEST_REDIS_CLUSTER_URL",
    start: () => startRedisCluster({ withReplicas: true }),
  },
  "redis-sentinel": { name: "Redis Sentinel", variable: "WARP_TEST_REDIS_SENTINEL_URL", start: startRedisSentinel },
  s3: { name: "Ceph RGW", variable: "WARP_TEST_S3_URL", start: startS3 },
  kafka: { name: "Kafka 3", variable: "WARP_TEST_KAFKA_URL", start: () => startKafka(3) },
  kafka4: { name: "Kafka 4", variable: "WARP_TEST_KAFKA4_URL", start: () => startKafka(4) },
};

/** The server named by the environment; else a new one on free ports that ends with this process. */
export const startService = async (name: ServiceName): Promise<RunningService> => {
  const { variable, start } = services[name];
  const given = process.env[variable];
  return given === undefined || given === "" ? start() : { url: given, stop: async () => {} };
};
