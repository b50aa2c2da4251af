import {
  type CallOptions,
  conflictError,
  type Mutation,
  type OperationId,
  type StoredRecord,
  WarpError,
} from "@warp/core";
import { isRefusal, refusal } from "./failures.ts";
import { fromColumn, toColumn } from "./keys.ts";
import type { PgClient, PgQueryable, PgRow } from "./pg-client.ts";
import { recordOf } from "./records.ts";
import type { WriteStatements } from "./write-statements.ts";

type Records = readonly (StoredRecord | undefined)[];
type WriteMutation = Exclude<Mutation, { readonly kind: "check" }>;

/** A transaction sends two statements that write, and pauses around each. */
const stagesOfTransaction = 5;

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

/** The caller may change its bytes as soon as it has called, and those of the answer too. */
const own = (mutation: Mutation): Mutation =>
  mutation.kind === "put" ? { ...mutation, value: Uint8Array.from(mutation.value) } : mutation;

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

  async commit(operation: OperationId, mutations: readonly Mutation[], options?: CallOptions): Promise<Records> {
    const owned = mutations.map(own);
    const [only, second] = owned;
    if (only === undefined) return [];
    if (second !== undefined) return await this.#transact(operation, owned, options);
    try {
      return [only.kind === "check" ? await this.#check(only) : await this.#write(operation, only, options)];
    } catch (error) {
      throw isRefusal(error) ? refusal(error) : error;
    }
  }

  async #check(mutation: Mutation): Promise<StoredRecord | undefined> {
    const standing = await this.#standing(this.#client, [mutation.key]);
    const record = standing.get(mutation.key);
    if (record?.revision !== mutation.expected) throw conflictError(new Map([[mutation.key, record]]));
    return record;
  }

  async #write(operation: OperationId, mutation: WriteMutation, options?: CallOptions): Promise<StoredRecord> {
    const value = bytesOf(mutation);
    const lockTimeoutMs = Math.min(options?.timeoutMs ?? this.#landsWithinMs, this.#landsWithinMs);
    const values = [
      this.#clock(),
      toColumn(mutation.key),
      value ?? null,
      operation,
      mutation.timestamp.node,
      ttlOf(mutation),
      ...retentionOf(mutation),
      String(Math.max(1, Math.ceil(lockTimeoutMs))),
    ];
    const [row] =
      mutation.expected === undefined
        ? await this.#client.query(this.#statements.create, values)
        : await this.#client.query(this.#statements.replace, [...values, mutation.expected]);
    if (row !== undefined) return recordOf(row, value);
    const standing = await this.#standing(this.#client, [mutation.key]);
    throw conflictError(new Map([[mutation.key, standing.get(mutation.key)]]));
  }

  async #transact(operation: OperationId, mutations: readonly Mutation[], options?: CallOptions): Promise<Records> {
    // Each stage within its share, the whole within what `landsWithinMs` declares.
    const share = this.#landsWithinMs / stagesOfTransaction;
    const limits = { timeoutMs: Math.min(options?.timeoutMs ?? share, share) };
    let complete = false;
    try {
      return await this.#client.transaction(async (transaction) => {
        const records = await this.#attempt(transaction, operation, mutations);
        complete = true;
        return records;
      }, limits);
    } catch (error) {
      if (WarpError.is(error)) throw error;
      // Before COMMIT was sent nothing can have landed, whatever went wrong; after it only the server's own no counts.
      throw !complete || isRefusal(error) ? refusal(error) : error;
    }
  }

  async #attempt(query: PgQueryable, operation: OperationId, mutations: readonly Mutation[]): Promise<Records> {
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
