import { rememberedOperations } from "@warp/core";
import type { PgNames } from "./names.ts";
import { clock } from "./read-statements.ts";
import { packedAnswer, recordColumns } from "./records.ts";
import { forgetFrom } from "./triggers.ts";

/** Every text of this package that commits. `$1` is always the injected clock or null. */
export interface WriteStatements {
  /** One key, on no record. Parameters as `writeParameters` has them. Answers with `packed`, or no row if there is a record. */
  readonly create: string;
  /** One key, on a revision: as `create`, and `$11` the revision. Answers with no row if that does not stand. */
  readonly replace: string;
  /**
   * Takes the locks of all keys, in their order, and writes those that are to be created. `$2` operation, `$3` keys,
   * `$4` which of them to create, then the columns of `manyParameters`. Answers with a row for each key that had no
   * record.
   */
  readonly lock: string;
  /**
   * Writes the locked keys whose revision stands, and undoes the locks on keys that have no record. `$2` operation,
   * `$3` keys, `$4` which of them are checks, `$5` expected revisions, then the columns of `manyParameters`. Answers
   * with a row for each key that was written, and for each check of a key with a record.
   */
  readonly settle: string;
  /** `$2` keys. Answers with the records that there are. */
  readonly conflicts: string;
}

/** One reading of the clock: as it is, cut to milliseconds, and in microseconds. Cannot be folded into its parent. */
const reading = (more: string): string =>
  `(SELECT n.now, date_trunc('milliseconds', n.now) AS at, (extract(epoch FROM n.now) * 1000000)::bigint AS micros
    FROM (SELECT ${clock} AS now${more}) AS n) AS c`;

/**
 * For single statements, which have no transaction to set limits in: the wait for a row's lock is bounded all the same,
 * since PostgreSQL looks at the setting when it begins to wait, and the clock is read before. It costs no round trip.
 */
const lockTimeout = ", set_config('lock_timeout', $10::text, true)";

const columns = `key, value, revision, micros, node, committed_at, created_at, expires_at, dropped_at, forget_from, operations,
  history, history_versions, history_max_age`;

const expiry = (ttl: string): string => `c.at + make_interval(secs => ${ttl} / 1000)`;

const dropped = (value: string, at: string): string => `CASE WHEN ${value} IS NULL THEN ${at} END`;

const forgotten = (value: string, at: string, w: string): string =>
  forgetFrom(`(${dropped(value, at)})`, `${w}history`, `${w}max_age`);

/** What of a row a write of `w` sets, whatever stood there before. */
const assignments = (value: string, ttl: string, w: string, operation: string): string => `
  value = ${value}, revision = ${operation}, node = ${w}node,
  micros = greatest(c.micros, r.micros + 1), committed_at = greatest(c.at, r.committed_at),
  expires_at = ${expiry(ttl)}, expired = false,
  dropped_at = ${dropped(value, "greatest(c.at, r.committed_at)")},
  forget_from = ${forgotten(value, "greatest(c.at, r.committed_at)", w)},
  operations = ${operation} || r.operations[1:${rememberedOperations - 1}],
  history = ${w}history, history_versions = ${w}versions, history_max_age = ${w}max_age`;

/** The parameters of a single write, under names. */
const one = `(SELECT $2::text AS key, $3::bytea AS value, $4::text AS operation, $5::text AS node, $6::float8 AS ttl,
    $7::boolean AS history, $8::int AS versions, $9::float8 AS max_age) AS w`;

const create = (names: PgNames): string => `
INSERT INTO ${names.records} AS r (${columns})
SELECT w.key, w.value, w.operation, c.micros, w.node, c.at, c.at, ${expiry("w.ttl")},
  ${dropped("w.value", "c.at")}, ${forgotten("w.value", "c.at", "w.")}, ARRAY[w.operation], w.history, w.versions, w.max_age
FROM ${reading(lockTimeout)}, ${one}
ON CONFLICT (key) DO NOTHING
RETURNING ${packedAnswer("r")} AS packed`;

const replace = (names: PgNames): string => `
UPDATE ${names.records} AS r SET ${assignments("w.value", "w.ttl", "w.", "w.operation")}
FROM ${reading(lockTimeout)}, ${one}
WHERE r.key = w.key AND r.revision = $11::text
RETURNING ${packedAnswer("r")} AS packed`;

/** Parallel arrays, one element a mutation. Values travel as hexadecimal, which every client writes the same. */
const many = (from: number): string => {
  const types = ["text", "text", "float8", "boolean", "int", "float8"];
  return types.map((type, index) => `$${from + index}::${type}[]`).join(", ");
};

/** A commit's answer leaves out what came before it. */
const ownOperation = "ARRAY[r.revision]";

// ON CONFLICT DO UPDATE locks the row that is there before it looks at its WHERE, so that existing and absent keys are
// locked alike, in one order, and two commits cannot hold what the other waits for. A row with 0 microseconds is the
// place of a key with no record: seen by nobody, gone before the commit.
const lock = (names: PgNames): string => `
INSERT INTO ${names.records} AS r (${columns})
SELECT w.key, decode(w.value, 'hex'), $2::text, CASE WHEN w.creates THEN c.micros ELSE 0 END, w.node, c.at, c.at,
  ${expiry("w.ttl")}, ${dropped("w.value", "c.at")}, ${forgotten("w.value", "c.at", "w.")}, ARRAY[$2::text], w.history, w.versions, w.max_age
FROM ${reading("")},
  unnest($3::text[], $4::boolean[], ${many(5)}) AS w (key, creates, value, node, ttl, history, versions, max_age)
ORDER BY w.key COLLATE "C"
ON CONFLICT (key) DO UPDATE SET node = r.node WHERE false
RETURNING r.key, ${recordColumns("r", ownOperation)}`;

const settle = (names: PgNames): string => `
WITH w AS MATERIALIZED (
  SELECT * FROM unnest($3::text[], $4::boolean[], $5::text[], ${many(6)})
    AS u (key, checks, expected, value, node, ttl, history, versions, max_age)
), written AS (
  UPDATE ${names.records} AS r SET ${assignments("decode(w.value, 'hex')", "w.ttl", "w.", "$2::text")}
  FROM ${reading("")}, w
  WHERE r.key = w.key AND NOT w.checks AND r.revision = w.expected AND r.micros > 0
  RETURNING r.key, ${recordColumns("r", ownOperation)}
), unlocked AS (
  DELETE FROM ${names.records} AS r USING w WHERE r.key = w.key AND w.checks AND r.micros = 0
)
SELECT written.*, NULL::bytea AS value FROM written
UNION ALL
SELECT r.key, ${recordColumns("r")}, CASE WHEN r.expires_at <= c.now THEN NULL ELSE r.value END
FROM ${reading("")}, w JOIN ${names.records} AS r ON r.key = w.key WHERE w.checks AND r.micros > 0`;

const conflicts = (names: PgNames): string => `
SELECT r.key, ${recordColumns("r")}, CASE WHEN r.expires_at <= c.now THEN NULL ELSE r.value END AS value
FROM ${reading("")}, ${names.records} AS r WHERE r.key = ANY ($2::text[]) AND r.micros > 0`;

export const writeStatementsOf = (names: PgNames): WriteStatements => ({
  create: create(names),
  replace: replace(names),
  lock: lock(names),
  settle: settle(names),
  conflicts: conflicts(names),
});
