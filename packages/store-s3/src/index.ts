export type { S3StoreOptions } from "./options.ts";
export type { S3Sender, S3SendOptions } from "./s3-client.ts";
export { S3Store } from "./s3-store.ts";
export { ServerClock, type StoreClock } from "./server-clock.ts";
