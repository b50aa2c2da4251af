import {
  type CallOptions,
  type CommitAnswer,
  conflictError,
  isAborted,
  type Mutation,
  type OperationId,
  type StoredRecord,
  WarpError,
} from "@warp/core";
import { isPassing, isRefusal, refusal } from "./failures.ts";
import { fromColumn, toColumn } from "./keys.ts";
import type { PgClient, PgQueryable, PgRow, StillWanted } from "./pg-client.ts";
import { recordOf, writtenRecord } from "./records.ts";
import type { WriteStatements } from "./write-statements.ts";

type Records = readonly (StoredRecord | undefined)[];
type WriteMutation = Exclude<Mutation, { readonly kind: "check" }>;

/** A commit waits for a connection; a transaction then sends two statements that write, and pauses around each. */
const stages = 6;

/** Attempts at a commit that met other transactions. */
const mostAttempts = 3;

const longestRetention = 2 ** 31 - 1;

/** A bound as the server takes it: `null` for none. */
const bound = (value: number | undefined, most: number): number | null =>
  value === undefined || value === Number.POSITIVE_INFINITY ? null : Math.min(value, most);

const ttlOf = (mutation: Mutation): number | null =>
  mutation.kind === "put" ? bound(mutation.ttlMs, Number.MAX_SAFE_INTEGER) : null;

/** Whether and how the version before is kept: three columns. */
const retentionOf = (mutation: Mutation): readonly [boolean, number | null, number | null] => {
  const history = mutation.kind === "check" ? undefined : mutation.history;
  return [
    history !== undefined,
    bound(history?.versions, longestRetention),
    bound(history?.maxAgeMs, Number.MAX_SAFE_INTEGER),
  ];
};

/**
 * The caller may change its bytes as soon as it has called, and those of the answer too. Field by field: a spread of
 * objects that come in several shapes is slow in V8.
 */
const own = (mutation: Mutation): Mutation => {
  if (mutation.kind !== "put") return mutation;
  const { kind, key, expected, timestamp, history, ttlMs } = mutation;
  const { buffer, byteOffset, length } = Buffer.from(mutation.value);
  return { kind, key, expected, timestamp, history, ttlMs, value: new Uint8Array(buffer, byteOffset, length) };
};

const hex = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");

/** The columns that `many` of the statements names. @param carries Which of the mutations send their value here. */
const columnsOf = (mutations: readonly Mutation[], carries: (mutation: Mutation) => boolean): readonly unknown[] => [
  mutations.map((mutation) => (mutation.kind === "put" && carries(mutation) ? hex(mutation.value) : null)),
  mutations.map((mutation) => (mutation.kind === "check" ? "" : mutation.timestamp.node)),
  mutations.map((mutation) => (carries(mutation) ? ttlOf(mutation) : null)),
  ...[0, 1, 2].map((column) => mutations.map((mutation) => retentionOf(mutation)[column])),
];

const creates = (mutation: Mutation): boolean => mutation.kind !== "check" && mutation.expected === undefined;

const bytesOf = (mutation: Mutation): Uint8Array | undefined => (mutation.kind === "put" ? mutation.value : undefined);

/** Rows by key, as records; `value` for those whose bytes did not travel back. */
const recordsByKey = (
  rows: readonly PgRow[],
  values?: ReadonlyMap<string, Uint8Array | undefined>,
): ReadonlyMap<string, StoredRecord> =>
  new Map(
    rows.map((row) => {
      const key = fromColumn(String(row.key));
      return [key, recordOf(row, values?.get(key))] as const;
    }),
  );

/** How long one attempt may take. */
interface Limits {
  /** Of one wait for a lock, in milliseconds. */
  readonly lockMs: number;
  /** Of one statement and one pause of a transaction, in milliseconds. */
  readonly stageMs: number;
  readonly stillWanted: StillWanted;
}

/** Commits under conditions: one key in one statement, several in one transaction. */
export class Committer {
  readonly #client: PgClient;
  readonly #statements: WriteStatements;
  readonly #clock: () => number | null;
  readonly #landsWithinMs: number;

  constructor(client: PgClient, statements: WriteStatements, clock: () => number | null, landsWithinMs: number) {
    this.#client = client;
    this.#statements = statements;
    this.#clock = clock;
    this.#landsWithinMs = landsWithinMs;
  }

  async commit(
    operation: OperationId,
    mutations: readonly Mutation[],
    options?: CallOptions,
    answer: CommitAnswer = "records",
  ): Promise<Records> {
    const owned = mutations.map(own);
    const began = performance.now();
    for (let attempt = 1; ; attempt += 1) {
      // However many attempts: the whole within what `landsWithinMs` declares.
      const leftMs = this.#landsWithinMs - (performance.now() - began);
      try {
        return await this.#attempt(operation, owned, this.#limits(leftMs, options), answer);
      } catch (error) {
        const failure = isRefusal(error) ? refusal(error) : error;
        if (attempt === mostAttempts || !isPassing(failure) || isAborted(options)) throw failure;
      }
    }
  }

  #limits(leftMs: number, options: CallOptions | undefined): Limits {
    const askedMs = options?.timeoutMs ?? leftMs;
    const stageMs = Math.min(askedMs, leftMs / stages);
    const began = performance.now();
    return {
      stageMs,
      lockMs: Math.min(askedMs, leftMs - leftMs / stages),
      // Whoever waited in vain has drawn conclusions from it: what is sent after that would land too late.
      stillWanted: () => !isAborted(options) && performance.now() - began <= leftMs / stages,
    };
  }

  async #attempt(
    operation: OperationId,
    mutations: readonly Mutation[],
    limits: Limits,
    answer: CommitAnswer,
  ): Promise<Records> {
    const [only] = mutations;
    if (only === undefined) return [];
    if (mutations.length > 1) return await this.#transact(operation, mutations, limits);
    return only.kind === "check" ? [await this.#check(only)] : await this.#write(operation, only, limits, answer);
  }

  async #check(mutation: Mutation): Promise<StoredRecord | undefined> {
    const standing = await this.#standing(this.#client, [mutation.key]);
    const record = standing.get(mutation.key);
    if (record?.revision !== mutation.expected) throw conflictError(new Map([[mutation.key, record]]));
    return record;
  }

  async #write(
    operation: OperationId,
    mutation: WriteMutation,
    limits: Limits,
    answer: CommitAnswer,
  ): Promise<Records> {
    const { kind, key, expected, timestamp } = mutation;
    const lockMs = String(Math.max(1, Math.ceil(limits.lockMs)));
    const [keeps, versions, maxAgeMs] = retentionOf(mutation);
    const values: unknown[] = [this.#clock(), toColumn(key), operation, timestamp.node, lockMs];
    const value = bytesOf(mutation);
    if (value !== undefined) values.push(value, ttlOf(mutation));
    if (expected !== undefined) values.push(expected);
    if (keeps) values.push(versions, maxAgeMs);
    const { create, replace } = this.#statements;
    const statement = (expected === undefined ? create : replace)[keeps ? "kept" : "plain"][kind][answer];
    if (answer === "none") {
      if ((await this.#client.write(statement, values, limits.stillWanted)) > 0) return [];
    } else {
      const [row] = await this.#client.query(statement, values, limits.stillWanted);
      if (row !== undefined) return [writtenRecord(row, operation, timestamp.node, value)];
    }
    const standing = await this.#standing(this.#client, [mutation.key]);
    throw conflictError(new Map([[mutation.key, standing.get(mutation.key)]]));
  }

  async #transact(operation: OperationId, mutations: readonly Mutation[], limits: Limits): Promise<Records> {
    let complete = false;
    try {
      return await this.#client.transaction(
        async (transaction) => {
          const records = await this.#writeAll(transaction, operation, mutations);
          complete = true;
          return records;
        },
        { timeoutMs: limits.stageMs, stillWanted: limits.stillWanted },
      );
    } catch (error) {
      if (WarpError.is(error)) throw error;
      // Before COMMIT was sent nothing can have landed, whatever went wrong; after it only the server's own no counts.
      throw !complete || isRefusal(error) ? refusal(error) : error;
    }
  }

  async #writeAll(query: PgQueryable, operation: OperationId, mutations: readonly Mutation[]): Promise<Records> {
    const clock = this.#clock();
    const written = await this.#lock(query, clock, operation, mutations);
    const others = mutations.filter((mutation) => !creates(mutation));
    const settled = others.length === 0 ? undefined : await this.#settle(query, clock, operation, others);
    const moved: string[] = [];
    const records = mutations.map((mutation) => {
      const record = creates(mutation) ? written.get(mutation.key) : settled?.get(mutation.key);
      if (mutation.kind === "check" ? record?.revision !== mutation.expected : record === undefined)
        moved.push(mutation.key);
      return record;
    });
    if (moved.length === 0) return records;
    const standing = await this.#standing(query, moved);
    throw conflictError(new Map(moved.map((key) => [key, standing.get(key)])));
  }

  async #lock(
    query: PgQueryable,
    clock: number | null,
    operation: OperationId,
    mutations: readonly Mutation[],
  ): Promise<ReadonlyMap<string, StoredRecord>> {
    const rows = await query.query(this.#statements.lock, [
      clock,
      operation,
      mutations.map(({ key }) => toColumn(key)),
      mutations.map(creates),
      ...columnsOf(mutations, creates),
    ]);
    return recordsByKey(rows, new Map(mutations.map((mutation) => [mutation.key, bytesOf(mutation)])));
  }

  async #settle(
    query: PgQueryable,
    clock: number | null,
    operation: OperationId,
    mutations: readonly Mutation[],
  ): Promise<ReadonlyMap<string, StoredRecord>> {
    const rows = await query.query(this.#statements.settle, [
      clock,
      operation,
      mutations.map(({ key }) => toColumn(key)),
      mutations.map(({ kind }) => kind === "check"),
      mutations.map(({ expected }) => expected ?? null),
      ...columnsOf(mutations, () => true),
    ]);
    return recordsByKey(rows, new Map(mutations.map((mutation) => [mutation.key, bytesOf(mutation)])));
  }

  async #standing(query: PgQueryable, keys: readonly string[]): Promise<ReadonlyMap<string, StoredRecord>> {
    return recordsByKey(await query.query(this.#statements.conflicts, [this.#clock(), keys.map(toColumn)]));
  }
}
