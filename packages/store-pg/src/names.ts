import { createHash } from "node:crypto";
import { WarpError } from "@warp/core";

/** Room for the suffixes of what belongs to a table, within PostgreSQL's 63 bytes. */
const longestTable = 40;
const longestHistory = 50;
const form = /^[a-z_][a-z0-9_]*$/;

/** Everything in the database that belongs to one store, as SQL writes it: quoted, with the schema. */
export interface PgNames {
  readonly schema: string;
  readonly records: string;
  readonly history: string;
  readonly state: string;
  /** What no quoting fits: the beginning of the names of indexes and triggers. */
  readonly prefix: string;
  /** Where foreign writes are announced: a channel is known to a whole database, by 63 bytes at most. */
  readonly channel: string;
  /** A function or trigger function of this store. */
  routine(suffix: string): string;
}

const requireIdentifier = (field: string, name: unknown, longest = longestTable): void => {
  if (typeof name === "string" && name.length <= longest && form.test(name)) return;
  const got = typeof name === "string" ? JSON.stringify(name.slice(0, 2 * longest)) : typeof name;
  throw new WarpError(
    "INVALID_ARGUMENT",
    `${field} must be 1 to ${longest} of a-z, 0-9 and _, not beginning with a digit; got ${got}`,
  );
};

const longestChannel = 63;

const channelOf = (name: string): string =>
  name.length <= longestChannel ? name : `warp.${createHash("sha256").update(name).digest("hex").slice(0, 32)}`;

/** @throws {WarpError} `INVALID_ARGUMENT` for a name that is not a plain lower-case identifier. */
export const namesOf = (schema: string, table: string, historyTable: string): PgNames => {
  const inSchema = (name: string): string => `"${schema}"."${name}"`;
  requireIdentifier("schema", schema);
  requireIdentifier("table", table);
  requireIdentifier("historyTable", historyTable, longestHistory);
  const state = `${table}_state`;
  if (new Set([table, historyTable, state]).size < 3)
    throw new WarpError("INVALID_ARGUMENT", `historyTable must be another than ${table} and ${state}`);
  return {
    schema,
    records: inSchema(table),
    history: inSchema(historyTable),
    state: inSchema(state),
    prefix: table,
    channel: channelOf(`warp.${schema}.${table}`),
    routine: (suffix) => inSchema(`${table}_${suffix}`),
  };
};
