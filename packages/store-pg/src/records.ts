import type { OperationId, StoredRecord } from "@warp/core";
import type { PgRow } from "./pg-client.ts";

/** The columns of a record but its value, as `recordColumns` names them, in the types that pg and PGlite agree on. */
interface RecordColumns {
  readonly revision: string;
  readonly micros: number;
  readonly node: string;
  readonly committed_at: number;
  readonly operations: readonly string[];
  readonly expires_at: number | string | null;
}

/** An instant as milliseconds: a double, since pg hands bigints over as strings and PGlite as numbers. */
export const inMs = (instant: string): string => `round(date_part('epoch', ${instant}) * 1000)`;

const expiryOf = (r: string): string =>
  inMs(`coalesce(${r}.expires_at, CASE WHEN ${r}.expired THEN ${r}.dropped_at END)`);

/** Everything of a record but its value. @param r The table's alias. @param operations What to fetch as the list. */
export const recordColumns = (r: string, operations = `${r}.operations`): string =>
  [
    `${r}.revision`,
    `${r}.micros::float8 AS micros`,
    `${r}.node`,
    `${inMs(`${r}.committed_at`)} AS committed_at`,
    `${operations} AS operations`,
    `${expiryOf(r)} AS expires_at`,
  ].join(", ");

/**
 * A record in one column of bytes: what is asked most is whether anything has changed, and each column of an answer costs
 * server and client more than the bytes in it. First all but the value as JSON, then, if there is a value, a zero byte,
 * which JSON has none of, and the value as it is.
 * @param value The record's, if it is to be seen.
 */
export const packedRecord = (r: string, value: string): string => `convert_to(
  json_build_object('revision', ${r}.revision, 'micros', ${r}.micros,
    'node', ${r}.node, 'committed_at', ${inMs(`${r}.committed_at`)}, 'operations', ${r}.operations,
    'expires_at', ${expiryOf(r)})::text, 'UTF8') || coalesce(decode('00', 'hex') || ${value}, '')`;

/** Plain bytes: pg's are Buffers, which compare unequal to the same bytes elsewhere. */
const bytesOf = (value: Uint8Array | null | undefined): Uint8Array | undefined =>
  value ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : undefined;

/** What of a record that was just written its writer does not know: its commit time is that of `micros`. */
export const answerColumns = (r: string): string => `${r}.micros, ${inMs(`${r}.expires_at`)} AS expires_at`;

/** JSON has no infinity: packed by PostgreSQL, it is text. */
const expiryFrom = (column: number | string | null): number | undefined =>
  typeof column === "string" ? Number(column) : (column ?? undefined);

/** Made in one piece: each copy of an answer with these fields costs more than reading it. */
const recordFrom = (columns: RecordColumns, value: Uint8Array | undefined): StoredRecord => {
  const { micros, node, revision, committed_at, operations, expires_at } = columns;
  return {
    value,
    revision,
    timestamp: { micros, node },
    committedAt: committed_at,
    operations,
    expiresAt: expiryFrom(expires_at),
  };
};

/** @param value In place of the row's, for a record that was just written. */
export const recordOf = (row: PgRow, value?: Uint8Array): StoredRecord =>
  recordFrom(row as unknown as RecordColumns, value ?? bytesOf(row.value as Uint8Array | null));

/** @param packed By `packedRecord`. */
export const unpackedRecord = ({ buffer, byteOffset, byteLength }: Uint8Array): StoredRecord => {
  const bytes = Buffer.from(buffer, byteOffset, byteLength);
  const end = bytes.indexOf(0);
  const columns = JSON.parse(bytes.toString("utf8", 0, end < 0 ? byteLength : end)) as RecordColumns;
  return recordFrom(columns, end < 0 ? undefined : bytesOf(bytes.subarray(end + 1)));
};

/** The record that `operation` of `node` has just written. @param row Of `answerColumns`. */
export const writtenRecord = (
  row: PgRow,
  operation: OperationId,
  node: string,
  value: Uint8Array | undefined,
): StoredRecord => {
  const { expires_at } = row as unknown as Pick<RecordColumns, "expires_at">;
  // pg hands bigints over as strings, PGlite as numbers.
  const micros = Number(row.micros);
  return {
    value,
    revision: operation,
    timestamp: { micros, node },
    committedAt: Math.floor(micros / 1_000),
    operations: [operation],
    expiresAt: expiryFrom(expires_at),
  };
};
