import { type CommitAnswer, rememberedOperations } from "@warp/core";
import type { PgNames } from "./names.ts";
import { clock, received } from "./read-statements.ts";
import { answerColumns, recordColumns } from "./records.ts";
import { forgetFrom, microsOf } from "./triggers.ts";

/** A statement by what is asked of it when it has written: a row costs server and client a good part of a small update. */
type Answering = Readonly<Record<CommitAnswer, string>>;

/** Writes of one key, by what they leave there. */
type ByKind = Readonly<Record<"put" | "delete", Answering>>;

/** A write of one key, by whether the version before is kept: most keys keep none, and each parameter takes its time. */
export interface SingleWrite {
  readonly plain: ByKind;
  readonly kept: ByKind;
}

/** Every text of this package that commits. `$1` is always the injected clock or null. */
export interface WriteStatements {
  /**
   * One key, on no record. `$2` key, `$3` operation, `$4` node, `$5` the longest wait for a lock in milliseconds; for a
   * put the value and its time to live; last, where the version before is kept, how many versions and for how long.
   * Writes no row if there is a record; answers, if at all, with `answerColumns`.
   */
  readonly create: SingleWrite;
  /** As `create`, on a revision, which comes before the last two. Writes no row if that does not stand. */
  readonly replace: SingleWrite;
  /**
   * Takes the locks of all keys, in their order, and writes those that are to be created. `$2` operation, `$3` keys,
   * `$4` which of them to create, then the columns of `many`. Answers with a row for each key that had no
   * record.
   */
  readonly lock: string;
  /**
   * Writes the locked keys whose revision stands, and undoes the locks on keys that have no record. `$2` operation,
   * `$3` keys, `$4` which of them are checks, `$5` expected revisions, then the columns of `many`. Answers
   * with a row for each key that was written, and for each check of a key with a record.
   */
  readonly settle: string;
  /** `$2` keys. Answers with the records that there are. */
  readonly conflicts: string;
}

/** When a write takes place: in microseconds, and cut to milliseconds. */
interface Instant {
  readonly micros: string;
  readonly at: string;
}

/** The millisecond that an instant is in. In numbers: units and intervals are parsed anew by every statement. */
const atOf = (micros: string): string => `to_timestamp((${micros} / 1000)::float8 / 1000)`;

const instantOf = (now: string): Instant => ({ micros: microsOf(now), at: atOf(microsOf(now)) });

const ofReading = instantOf("n.now");
/** One reading of the clock for one statement of a transaction. Cannot be folded into its parent. */
const reading = `(SELECT n.now, ${ofReading.at} AS at, ${ofReading.micros} AS micros
    FROM (SELECT ${clock} AS now) AS n) AS c`;
const asRead: Instant = { micros: "c.micros", at: "c.at" };

const asReceived: Instant = instantOf(received);

/**
 * For single statements, which have no transaction to set limits in: the wait for a row's lock is bounded all the same,
 * since PostgreSQL looks at the setting when it begins to wait. It costs no round trip. Always true.
 */
const lockTimeout = "set_config('lock_timeout', $5::text, true) IS NOT NULL";

/** What a write leaves in a row, each as an expression. */
interface Left {
  readonly value: string;
  readonly operation: string;
  readonly node: string;
  readonly expires: string;
  readonly dropped: string;
  readonly forgotten: string;
  readonly history: string;
  readonly versions: string;
  readonly maxAge: string;
}

const columns = `key, value, revision, micros, node, committed_at, created_at, expires_at, dropped_at, forget_from, operations,
  history, history_versions, history_max_age`;

/** What a new row has in `columns`. */
const creation = (key: string, left: Left, { micros, at }: Instant): string => `
  ${key}, ${left.value}, ${left.operation}, ${micros}, ${left.node}, ${at}, ${at}, ${left.expires}, ${left.dropped},
  ${left.forgotten}, ARRAY[${left.operation}], ${left.history}, ${left.versions}, ${left.maxAge}`;

/** Of a row that is replaced: later than what it replaces, however the clock is set meanwhile. */
const laterMicros = ({ micros }: Instant): string => `greatest(${micros}, r.micros + 1)`;

const committedAt = (instant: Instant): string => atOf(laterMicros(instant));

/** What a write sets in a row, whatever stood there before. */
const assignments = (left: Left, instant: Instant): string => `
  value = ${left.value}, revision = ${left.operation}, node = ${left.node},
  micros = ${laterMicros(instant)}, committed_at = ${committedAt(instant)},
  expires_at = ${left.expires}, expired = false, dropped_at = ${left.dropped}, forget_from = ${left.forgotten},
  operations = ${left.operation} || r.operations[1:${rememberedOperations - 1}],
  history = ${left.history}, history_versions = ${left.versions}, history_max_age = ${left.maxAge}`;

const expiry = ({ micros }: Instant, ttl: string): string => `to_timestamp((${micros} / 1000 + ${ttl}) / 1000)`;

const answering = (text: string): Answering => ({ none: text, records: `${text}\nRETURNING ${answerColumns("r")}` });

const create = ({ records }: PgNames, left: Left): string => `
INSERT INTO ${records} AS r (${columns})
SELECT ${creation("$2::text", left, asReceived)}
WHERE ${lockTimeout}
ON CONFLICT (key) DO NOTHING`;

const replace = ({ records }: PgNames, left: Left, expected: string): string => `
UPDATE ${records} AS r SET ${assignments(left, asReceived)}
WHERE r.key = $2::text AND r.revision = ${expected} AND ${lockTimeout}`;

const single = (names: PgNames, kind: "put" | "delete", replaces: boolean, keeps: boolean): Answering => {
  // The first five are of every write.
  let last = 5;
  const next = (type: string): string => `$${++last}::${type}`;
  const dropped = replaces ? committedAt(asReceived) : asReceived.at;
  const put =
    kind === "put"
      ? { value: next("bytea"), expires: expiry(asReceived, next("float8")), dropped: "NULL" }
      : { value: "NULL", expires: "NULL", dropped };
  const expected = replaces ? next("text") : undefined;
  const versions = keeps ? next("int") : "NULL";
  const maxAge = keeps ? next("float8") : "NULL";
  const forgotten = kind === "put" ? "NULL" : forgetFrom(dropped, String(keeps), maxAge);
  const left = { ...put, operation: "$3::text", node: "$4::text", forgotten, history: String(keeps), versions, maxAge };
  return answering(expected === undefined ? create(names, left) : replace(names, left, expected));
};

const singleWrite = (names: PgNames, replaces: boolean): SingleWrite => {
  const byKind = (keeps: boolean): ByKind => ({
    put: single(names, "put", replaces, keeps),
    delete: single(names, "delete", replaces, keeps),
  });
  return { plain: byKind(false), kept: byKind(true) };
};

/** What the mutation in a row of `w` leaves. @param dropped When, if it leaves no value. */
const leftOfRow = (dropped: string): Left => {
  const ifNone = `CASE WHEN w.value IS NULL THEN ${dropped} END`;
  return {
    value: "decode(w.value, 'hex')",
    operation: "$2::text",
    node: "w.node",
    expires: expiry(asRead, "w.ttl"),
    dropped: ifNone,
    forgotten: forgetFrom(`(${ifNone})`, "w.history", "w.max_age"),
    history: "w.history",
    versions: "w.versions",
    maxAge: "w.max_age",
  };
};

/** Parallel arrays, one element a mutation. Values travel as hexadecimal, which every client writes the same. */
const many = (from: number): string => {
  const types = ["text", "text", "float8", "boolean", "int", "float8"];
  return types.map((type, index) => `$${from + index}::${type}[]`).join(", ");
};

/** A commit's answer leaves out what came before it. */
const ownOperation = "ARRAY[r.revision]";

/** A row with 0 microseconds is the place of a key with no record: seen by nobody, gone before the commit. */
const asLocked: Instant = { ...asRead, micros: "CASE WHEN w.creates THEN c.micros ELSE 0 END" };

// ON CONFLICT DO UPDATE locks the row that is there before it looks at its WHERE, so that existing and absent keys are
// locked alike, in one order, and two commits cannot hold what the other waits for.
const lock = (names: PgNames): string => `
INSERT INTO ${names.records} AS r (${columns})
SELECT ${creation("w.key", leftOfRow(asRead.at), asLocked)}
FROM ${reading},
  unnest($3::text[], $4::boolean[], ${many(5)}) AS w (key, creates, value, node, ttl, history, versions, max_age)
ORDER BY w.key COLLATE "C"
ON CONFLICT (key) DO UPDATE SET node = r.node WHERE false
RETURNING r.key, ${recordColumns("r", ownOperation)}`;

const settle = (names: PgNames): string => `
WITH w AS MATERIALIZED (
  SELECT * FROM unnest($3::text[], $4::boolean[], $5::text[], ${many(6)})
    AS u (key, checks, expected, value, node, ttl, history, versions, max_age)
), written AS (
  UPDATE ${names.records} AS r SET ${assignments(leftOfRow(committedAt(asRead)), asRead)}
  FROM ${reading}, w
  WHERE r.key = w.key AND NOT w.checks AND r.revision = w.expected AND r.micros > 0
  RETURNING r.key, ${recordColumns("r", ownOperation)}
), unlocked AS (
  DELETE FROM ${names.records} AS r USING w WHERE r.key = w.key AND w.checks AND r.micros = 0
)
SELECT written.*, NULL::bytea AS value FROM written
UNION ALL
SELECT r.key, ${recordColumns("r")}, CASE WHEN r.expires_at <= c.now THEN NULL ELSE r.value END
FROM ${reading}, w JOIN ${names.records} AS r ON r.key = w.key WHERE w.checks AND r.micros > 0`;

const conflicts = (names: PgNames): string => `
SELECT r.key, ${recordColumns("r")}, CASE WHEN r.expires_at <= c.now THEN NULL ELSE r.value END AS value
FROM ${reading}, ${names.records} AS r WHERE r.key = ANY ($2::text[]) AND r.micros > 0`;

export const writeStatementsOf = (names: PgNames): WriteStatements => ({
  create: singleWrite(names, false),
  replace: singleWrite(names, true),
  lock: lock(names),
  settle: settle(names),
  conflicts: conflicts(names),
});
