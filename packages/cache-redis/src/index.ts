export type { RedisCacheOptions, RedisCompression } from "./options.ts";
export { RedisCache } from "./redis-cache.ts";
export type { RedisArgument, RedisClient, RedisConnection } from "./redis-client.ts";
