import { appendFileSync } from "node:fs";
import { startKafka } from "./kafka.ts";
import { versions as kafkaVersions } from "./kafka-jars.ts";
import { isKafkaMock, startKafkaMock } from "./kafka-mock.ts";
import { type NatsCluster, startNats, startNatsCluster } from "./nats.ts";
import { startPostgres } from "./postgres.ts";
import { ServerMissing } from "./programs.ts";
import { startRedis } from "./redis.ts";
import { type RedisCluster, startRedisCluster } from "./redis-cluster.ts";
import { type RedisSentinel, startRedisSentinel } from "./redis-sentinel.ts";
import { startS3 } from "./s3.ts";
import type { RunningService, Server } from "./server.ts";

export type { NatsCluster } from "./nats.ts";
export type { RedisCluster } from "./redis-cluster.ts";
export type { RedisSentinel } from "./redis-sentinel.ts";
export type { RunningService, Server } from "./server.ts";

/** What may stand in for a server that cannot be had, where little more than its protocol is needed. */
export interface StandIn {
  /** For people. */
  readonly name: string;
  start(): Promise<RunningService>;
  /** Whether this is what the URL names. */
  isAt(url: string): boolean;
}

/** A kind of server. */
export interface Service<Started extends RunningService> {
  /** For people. */
  readonly name: string;
  /** The environment variable that names a running one instead. */
  readonly variable: string;
  /** Starts one of one's own. @throws If this machine has none and cannot install one, saying how to get it. */
  start(): Promise<Started>;
  readonly standIn?: StandIn;
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
  postgres: { name: "PostgreSQL", variable: "WARP_TEST_POSTGRES_URL", start: () => startPostgres() },
  redis: { name: "Redis", variable: "WARP_TEST_REDIS_URL", start: startRedis },
  "redis-cluster": {
    name: "Redis Cluster",
    variable: "WARP_TEST_REDIS_CLUSTER_URL",
    start: () => startRedisCluster({ withReplicas: true }),
  },
  "redis-sentinel": { name: "Redis Sentinel", variable: "WARP_TEST_REDIS_SENTINEL_URL", start: startRedisSentinel },
  s3: { name: "Ceph RGW", variable: "WARP_TEST_S3_URL", start: startS3 },
  kafka: {
    name: `Kafka ${kafkaVersions[3]}`,
    variable: "WARP_TEST_KAFKA_URL",
    start: () => startKafka(3),
    standIn: { name: "librdkafka's mock cluster", start: startKafkaMock, isAt: isKafkaMock },
  },
  kafka4: { name: `Kafka ${kafkaVersions[4]}`, variable: "WARP_TEST_KAFKA4_URL", start: () => startKafka(4) },
};

/** For the summary of `npm test`, which says what the tests talked to. */
const note = (what: string): void => {
  const log = process.env.WARP_TEST_SERVERS_LOG;
  if (log !== undefined && log !== "") appendFileSync(log, `${what}\n`);
};

/** Starts a server that nothing may stand in for. @throws If it cannot be had, saying how to get it. */
export const startReal = async <Started extends RunningService>(service: Service<Started>): Promise<Started> => {
  const { name, standIn } = service;
  try {
    const started = await service.start();
    note(name);
    return started;
  } catch (error) {
    if (standIn === undefined || !(error instanceof ServerMissing)) throw error;
    throw new Error(`${error.message} This needs a real ${name}: ${standIn.name} is not enough.`, { cause: error });
  }
};

/** What a test asks of its server. */
export interface Needs {
  /** Whether what stands in for the server is enough. Default false: the test needs what only the real one does. */
  readonly standIn?: boolean;
}

const startStandIn = async (name: string, standIn: StandIn, reason: Error): Promise<RunningService> => {
  const started = await standIn.start().catch((error: unknown) => {
    throw new Error(`${reason.message} ${standIn.name}, which may stand in, failed too: ${error}`, { cause: reason });
  });
  note(`${standIn.name} in place of ${name}`);
  console.warn(`${name}: ${standIn.name} stands in. ${reason.message} What only the stand-in saw counts as unproven.`);
  return started;
};

/**
 * The server named by the environment; else a new one on free ports that ends with this process; else, where there is
 * none on this machine and that is enough, what stands in for it, which is said on standard error.
 * @throws If none can be had, saying how to get one.
 */
export const startService = async (service: ServiceName, needs: Needs = {}): Promise<RunningService> => {
  const asked: Service<RunningService> = services[service];
  const { name, variable, standIn } = asked;
  const given = process.env[variable];
  if (given !== undefined && given !== "") {
    if (!needs.standIn && standIn?.isAt(given))
      throw new Error(`This needs a real ${name}: ${variable} names ${standIn.name}.`);
    note(`${standIn?.isAt(given) === true ? standIn.name : name} at ${variable}`);
    return { url: given, stop: async () => {} };
  }
  if (!needs.standIn || standIn === undefined) return startReal(asked);
  try {
    const started = await asked.start();
    note(name);
    return started;
  } catch (error) {
    if (error instanceof ServerMissing) return await startStandIn(name, standIn, error);
    throw error;
  }
};
