import { randomBytes } from "node:crypto";
import { afterAll } from "@jest/globals";
import { Cluster, type ClusterOptions, Redis, type RedisOptions } from "ioredis";
import { Cluster as Cluster5, Redis as Redis5 } from "ioredis-5";
import type { RedisClient } from "../src/index.ts";

/** What tests also call on a client. */
export interface TestClient extends RedisClient {
  readonly isCluster: boolean;
  get(key: string): Promise<string | null>;
  set(key: string, value: string | Buffer): Promise<unknown>;
  unlink(...keys: string[]): Promise<number>;
  call(command: string, ...args: (string | number)[]): Promise<unknown>;
  disconnect(reconnect?: boolean): void;
}

/** One major version of ioredis. */
export interface Driver {
  readonly name: string;
  single(url: string, options?: RedisOptions): TestClient;
  /** @param url A Sentinel's, with the master's name as its path. */
  sentinel(url: string, options?: RedisOptions): TestClient;
  /** @param url Some nodes', with commas between. */
  cluster(url: string, options?: ClusterOptions): TestClient;
}

const opened: TestClient[] = [];

// Also of tests that failed: a client that is open keeps the process alive.
afterAll(() => {
  // One that is closed already would wait for that again.
  for (const client of opened) if (client.status !== "end") client.disconnect();
});

const kept = <Client extends TestClient>(client: Client): Client => {
  // Without such a listener a client prints each failure to connect.
  client.on("error", () => {});
  opened.push(client);
  return client;
};

const nodesOf = (urls: string): { host: string; port: number }[] =>
  urls.split(",").map((url) => ({ host: new URL(url).hostname, port: Number(new URL(url).port) }));

const watching = (url: string): { sentinels: { host: string; port: number }[]; name: string } => ({
  sentinels: nodesOf(url),
  name: new URL(url).pathname.slice(1),
});

const soon = (): number => 30;

// A client whose line is gone waits that long, when it is disconnected, for an end that has been already.
const fast = { retryStrategy: soon, connectTimeout: 1_000, disconnectTimeout: 100 } as const;
const fastCluster = {
  clusterRetryStrategy: soon,
  retryDelayOnFailover: 30,
  retryDelayOnClusterDown: 30,
  slotsRefreshTimeout: 1_000,
  // A refresh that is under way when the client is closed would go on for ever, and keep the process alive.
  slotsRefreshInterval: 0,
} as const;

export const drivers: readonly Driver[] = [
  {
    name: "ioredis 6",
    single: (url, options) => kept(new Redis(url, { ...fast, ...options } as object)),
    sentinel: (url, options) =>
      kept(new Redis({ ...watching(url), sentinelRetryStrategy: soon, ...fast, ...options } as object)),
    cluster: (url, options) => kept(new Cluster(nodesOf(url), { ...fastCluster, ...options } as object)),
  },
  {
    name: "ioredis 5",
    single: (url, options) => kept(new Redis5(url, { ...fast, ...options } as object)),
    sentinel: (url, options) =>
      kept(new Redis5({ ...watching(url), sentinelRetryStrategy: soon, ...fast, ...options } as object)),
    cluster: (url, options) => kept(new Cluster5(nodesOf(url), { ...fastCluster, ...options } as object)),
  },
];

/** The newest. */
export const driver: Driver = drivers[0] as Driver;

/** A prefix that nothing else uses, also on a server that others share. */
export const uniquePrefix = (): string => `t-${randomBytes(8).toString("hex")}`;
