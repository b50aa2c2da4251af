import type { PgNames } from "./names.ts";
import { inMs, packedRecord, recordColumns } from "./records.ts";

/** The store's clock: `$1`, in milliseconds, where one was injected, else the server's. */
export const clock = "coalesce(to_timestamp($1::float8 / 1000), clock_timestamp())";

/**
 * As `clock`, for a statement that is its own transaction: when the server received it (PostgreSQL manual, 9.9.5). That
 * stays the same however often it is asked; a subquery to keep one reading in is a good part of what a small statement
 * costs.
 */
export const received = "coalesce(to_timestamp($1::float8 / 1000), statement_timestamp())";

/** Every text of this package that only reads. `$1` is always the injected clock or null. */
export interface ReadStatements {
  readonly now: string;
  /** `$2` key. */
  readonly get: string;
  /** `$2` key, `$3` the revision that needs no bytes. Answers with one column: `packed`, null if unchanged. */
  readonly getUnless: string;
  /** `$2` keys, `$3` revisions. Answers with a row, with its `position` from 1, for each key that has a record. */
  readonly getMany: string;
  /** `$2` the first key, `$3` the limit. Answers with all keys, in order, and whether they are `live`. */
  readonly keysFrom: string;
  /** As `keysFrom`, and `$4` the key to stop before. */
  readonly keysBetween: string;
  /** `$2` key, `$3` the instant in milliseconds. Answers with one row: `found`, `lost`, and the record's columns. */
  readonly getAt: string;
}

const live = (now: string): string => `(r.expires_at IS NULL OR r.expires_at > ${now})`;

// One reading of the clock for a whole statement: a subquery with a volatile expression is not folded into its parent.
const clockOnce = `(SELECT ${clock} AS now) AS c`;

/** False or null, never true, where no revision was given. */
const unchanged = (unless: string, now: string): string =>
  `(r.revision = ${unless} AND NOT r.expired AND ${live(now)})`;

/** Neither the value nor the list of operations is moved for what is unchanged. */
const unlessColumns = (unless: string): string => `
  ${recordColumns("r", `CASE WHEN ${unchanged(unless, "c.now")} THEN NULL ELSE r.operations END`)},
  CASE WHEN ${unchanged(unless, "c.now")} THEN NULL WHEN ${live("c.now")} THEN r.value END AS value,
  coalesce(${unchanged(unless, "c.now")}, false) AS unchanged`;

/**
 * The inner query has one bound only: with two, a planner without statistics takes the range for a small one and sorts
 * what is left of it for every page. It looks at tombstones too, so that no page takes longer than another.
 */
const keysWhere = (names: PgNames, where: string): string => `
SELECT p.key, p.live FROM (
  SELECT r.key, r.value IS NOT NULL AND (r.expires_at IS NULL OR r.expires_at > (SELECT ${clock})) AS live
  FROM ${names.records} AS r WHERE r.key >= $2::text ORDER BY r.key LIMIT $3::int
) AS p${where}`;

/**
 * A version stands from its commit to the next, or, where its value was reaped, to its expiry. Versions of one instant
 * but the last stand for no time at all. Nothing covers the instant: the key had no record yet (it is before the first
 * commit), or the version is lost, as is everything before the last tombstone that was removed.
 */
const getAt = (names: PgNames): string => `
WITH asked AS (SELECT $2::text AS key, to_timestamp($3::float8 / 1000) AS at, ${clock} AS now), version AS (
  SELECT ${recordColumns("r")}, CASE WHEN r.expires_at <= a.at THEN NULL ELSE r.value END AS value
  FROM asked AS a JOIN ${names.records} AS r ON r.key = a.key
  WHERE r.committed_at <= a.at AND NOT (r.expired AND r.dropped_at > a.at)
  UNION ALL
  SELECT r.revision, r.micros::float8, r.node, ${inMs("r.committed_at")}, r.operations, ${inMs("r.expires_at")},
    CASE WHEN r.expires_at <= a.at THEN NULL ELSE r.value END
  FROM asked AS a JOIN ${names.history} AS r ON r.key = a.key
  WHERE r.committed_at <= a.at AND r.superseded_at > a.at AND (r.drop_at IS NULL OR r.drop_at > a.now)
    AND NOT (r.value IS NULL AND r.expires_at IS NOT NULL AND r.expires_at > a.at)
)
SELECT v.*, v.revision IS NOT NULL AS found,
  coalesce((SELECT r.created_at <= a.at FROM ${names.records} AS r WHERE r.key = a.key), false)
    OR a.at < (SELECT s.forgotten_before FROM ${names.state} AS s) AS lost
FROM asked AS a LEFT JOIN version AS v ON true
LIMIT 1`;

export const readStatementsOf = (names: PgNames): ReadStatements => ({
  now: `SELECT ${inMs(clock)} AS now`,
  get: `
SELECT ${recordColumns("r")}, CASE WHEN ${live(received)} THEN r.value END AS value
FROM ${names.records} AS r WHERE r.key = $2::text`,
  getUnless: `
SELECT CASE WHEN ${unchanged("$3::text", received)} THEN NULL
  ELSE ${packedRecord("r", `CASE WHEN ${live(received)} THEN r.value END`)} END AS packed
FROM ${names.records} AS r WHERE r.key = $2::text`,
  getMany: `
SELECT w.position::int AS position, ${unlessColumns("w.unless")}
FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS w (key, unless, position)
JOIN ${names.records} AS r ON r.key = w.key, ${clockOnce}`,
  keysFrom: keysWhere(names, ""),
  keysBetween: keysWhere(names, " WHERE p.key < $4::text"),
  getAt: getAt(names),
});
