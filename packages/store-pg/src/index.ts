export type { PgStoreOptions } from "./options.ts";
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
} from "./pg-client.ts";
export { PgStore } from "./pg-store.ts";
export type { Reaped } from "./reaper.ts";
