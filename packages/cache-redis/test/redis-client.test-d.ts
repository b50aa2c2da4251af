import type { Cluster, Redis } from "ioredis";
import type { Cluster as Cluster5, Redis as Redis5 } from "ioredis-5";
import type { RedisClient } from "../src/index.ts";

({}) as Redis satisfies RedisClient;
({}) as Cluster satisfies RedisClient;
({}) as Redis5 satisfies RedisClient;
({}) as Cluster5 satisfies RedisClient;
// @ts-expect-error a client of another kind
({}) as { get(key: string): Promise<string> } satisfies RedisClient;
