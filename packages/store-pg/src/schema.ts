import { rememberedOperations, WarpError } from "@warp/core";
import { setChangeTriggers } from "./change-triggers.ts";
import type { PgNames } from "./names.ts";
import type { PgClient, PgQueryable } from "./pg-client.ts";
import { archiveFunction, foreignWriteFunction, helperFunctions, triggers } from "./triggers.ts";

const tables = ({ records, history, state }: PgNames): readonly string[] => [
  `CREATE TABLE ${records} (
    key text COLLATE "C" PRIMARY KEY,
    value bytea,
    revision text NOT NULL,
    micros bigint NOT NULL,
    node text NOT NULL,
    committed_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    dropped_at timestamptz,
    forget_from timestamptz,
    expired boolean NOT NULL DEFAULT false,
    operations text[] NOT NULL,
    history boolean NOT NULL DEFAULT false,
    history_versions int,
    history_max_age double precision
  ) WITH (fillfactor = 90)`,
  `CREATE TABLE ${history} (
    key text COLLATE "C" NOT NULL,
    micros bigint NOT NULL,
    node text NOT NULL,
    revision text NOT NULL,
    value bytea,
    operations text[] NOT NULL,
    committed_at timestamptz NOT NULL,
    expires_at timestamptz,
    superseded_at timestamptz NOT NULL,
    drop_at timestamptz,
    PRIMARY KEY (key, micros)
  )`,
  `CREATE TABLE ${state} (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version int NOT NULL,
    forgotten_before timestamptz NOT NULL DEFAULT '-infinity'
  )`,
  `INSERT INTO ${state} (version) VALUES (0)`,
];

// None is on a column that an ordinary update of a value changes, so that such updates touch no index ("heap only").
const indexes = ({ records, history, prefix }: PgNames): readonly string[] => [
  `CREATE INDEX "${prefix}_expires" ON ${records} (expires_at) WHERE expires_at IS NOT NULL`,
  `CREATE INDEX "${prefix}_forget" ON ${records} (forget_from) WHERE forget_from IS NOT NULL`,
  `CREATE INDEX "${prefix}_history_drop" ON ${history} (drop_at) WHERE drop_at IS NOT NULL`,
];

const comments = ({ records, history }: PgNames): readonly string[] => [
  `COMMENT ON TABLE ${records} IS 'Records of Warp: values and tombstones (value IS NULL). Writes by others are welcome: see README of @warp/store-pg'`,
  `COMMENT ON TABLE ${history} IS 'Former versions of Warp''s records'`,
];

/** What leads from each version of the schema to the next. Released ones never change. */
const versions = (names: PgNames): readonly (readonly string[])[] => [
  [
    ...tables(names),
    ...indexes(names),
    ...comments(names),
    foreignWriteFunction(names, rememberedOperations),
    archiveFunction(names),
    ...triggers(names),
    ...helperFunctions(names),
  ],
];

const requireUtf8 = async (transaction: PgQueryable): Promise<void> => {
  const [row] = await transaction.query("SELECT current_setting('server_encoding') AS encoding", []);
  if (row?.encoding === "UTF8") return;
  throw new WarpError("UNSUPPORTED", `the database must be encoded in UTF8; it is in ${String(row?.encoding)}`, {
    port: "store",
  });
};

const versionOf = async (transaction: PgQueryable, { state }: PgNames): Promise<number> => {
  const [table] = await transaction.query("SELECT to_regclass($1::text) IS NOT NULL AS present", [state]);
  if (table?.present !== true) return 0;
  const [row] = await transaction.query(`SELECT version FROM ${state}`, []);
  return Number(row?.version);
};

/** What else `PgStore.migrate` sees to. */
export interface PgMigrateOptions {
  /**
   * Whether triggers announce what others than Warp write, for `PgChangeFeed`: `true` installs them, `false` removes
   * them, which other processes' feeds then report as an error. Default: they stay as they are.
   */
  readonly changeFeed?: boolean;
}

const upgrade = async (
  transaction: PgQueryable,
  names: PgNames,
  steps: readonly (readonly string[])[],
  version: number,
): Promise<void> => {
  const [schema] = await transaction.query("SELECT 1 FROM pg_namespace WHERE nspname = $1::text", [names.schema]);
  if (schema === undefined) await transaction.query(`CREATE SCHEMA "${names.schema}"`, []);
  for (const statement of steps.slice(version).flat()) await transaction.query(statement, []);
  await transaction.query(`UPDATE ${names.state} SET version = $1::int`, [steps.length]);
};

/** See `PgStore.migrate`. One transaction, under a lock that all migrations of the database share. */
export const migrate = (client: PgClient, names: PgNames, { changeFeed }: PgMigrateOptions): Promise<void> =>
  client.transaction(async (transaction) => {
    await requireUtf8(transaction);
    await transaction.query("SELECT pg_advisory_xact_lock(hashtextextended('warp:migrate', 0))", []);
    const steps = versions(names);
    const version = await versionOf(transaction, names);
    if (version < steps.length) await upgrade(transaction, names, steps, version);
    if (changeFeed !== undefined) await setChangeTriggers(transaction, names, changeFeed);
  });
