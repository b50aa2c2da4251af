export type { PgListeningClient, PgNotification } from "./listening-connection.ts";
export type { PgStoreOptions } from "./options.ts";
export { PgChangeFeed, type PgChangeFeedOptions } from "./pg-change-feed.ts";
export {
  fromPglite,
  fromPool,
  type PgClient,
  type PgLimits,
  type PgliteDatabase,
  type PgliteTransaction,
  type PgPool,
  type PgPoolClient,
  type PgPoolOptions,
  type PgPrepared,
  type PgQueryable,
  type PgResult,
  type PgRow,
  type StillWanted,
} from "./pg-client.ts";
export { PgStore } from "./pg-store.ts";
export type { Reaped } from "./reaper.ts";
export type { PgMigrateOptions } from "./schema.ts";
