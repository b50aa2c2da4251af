import assert from "node:assert/strict";
import {
  conflictsOf,
  type DeleteMutation,
  type HistoryRetention,
  type Mutation,
  type OperationId,
  type PutMutation,
  type Revision,
  type Store,
  type StoredRecord,
  systemRandom,
  type Timestamp,
} from "@warp/core";
import { assertBytes, rejectionOf } from "./assertions.ts";
import { bytesOf } from "./samples.ts";

export interface WriteOptions {
  /** Default: what stands when the step begins. `null`: no record. */
  readonly expected?: Revision | null;
  readonly timestamp?: Timestamp;
  readonly history?: HistoryRetention | undefined;
  readonly ttlMs?: number;
  readonly operation?: OperationId;
}

/** A reading of a writer's clock, in the middle of 2026. */
export const writerTimestamp: Timestamp = { micros: 1_782_000_000_000_000, node: "writer" };

export const newOperation = (): OperationId => systemRandom.id();

export const putOf = (key: string, value: string | Uint8Array, options: WriteOptions = {}): PutMutation => ({
  kind: "put",
  key,
  value: typeof value === "string" ? bytesOf(value) : value,
  expected: options.expected ?? undefined,
  timestamp: options.timestamp ?? writerTimestamp,
  history: options.history,
  ttlMs: options.ttlMs,
});

export const deleteOf = (key: string, options: WriteOptions = {}): DeleteMutation => ({
  kind: "delete",
  key,
  expected: options.expected ?? undefined,
  timestamp: options.timestamp ?? writerTimestamp,
  history: options.history,
});

export const checkOf = (key: string, expected: Revision | undefined): Mutation => ({ kind: "check", key, expected });

/** The record of `key`, which a read without `unless` never calls unchanged. */
export const read = async (store: Store, key: string): Promise<StoredRecord | undefined> => {
  const record = await store.get(key);
  if (record === "unchanged") return assert.fail(`get of ${JSON.stringify(key)} without unless said "unchanged"`);
  return record;
};

/** As `read`, for a key that must have a record. */
export const readRecord = async (store: Store, key: string): Promise<StoredRecord> => {
  const record = await read(store, key);
  assert.ok(record !== undefined, `no record of ${JSON.stringify(key)}`);
  return record;
};

const commitOne = async (store: Store, operation: OperationId, mutation: Mutation): Promise<StoredRecord> => {
  const records = await store.commit(operation, [mutation]);
  assert.equal(records.length, 1, "a commit of one mutation answers with one record");
  const [record] = records;
  assert.ok(record !== undefined, "a write answers with the record it left");
  return record;
};

const expectedBy = async (store: Store, key: string, { expected }: WriteOptions): Promise<Revision | null> =>
  expected === undefined ? ((await read(store, key))?.revision ?? null) : expected;

export const put = async (
  store: Store,
  key: string,
  value: string | Uint8Array,
  options: WriteOptions = {},
): Promise<StoredRecord> => {
  const expected = await expectedBy(store, key, options);
  return await commitOne(store, options.operation ?? newOperation(), putOf(key, value, { ...options, expected }));
};

export const remove = async (store: Store, key: string, options: WriteOptions = {}): Promise<StoredRecord> => {
  const expected = await expectedBy(store, key, options);
  return await commitOne(store, options.operation ?? newOperation(), deleteOf(key, { ...options, expected }));
};

/** Puts a value under each of `keys` that have no record, in as few commits as the store allows. */
export const putAll = async (store: Store, keys: readonly string[], value: string | Uint8Array): Promise<void> => {
  const batch = store.atomicBatch ? 250 : 1;
  for (let from = 0; from < keys.length; from += batch * 8) {
    const commits = [];
    for (let at = from; at < Math.min(keys.length, from + batch * 8); at += batch)
      commits.push(
        store.commit(
          newOperation(),
          keys.slice(at, at + batch).map((key) => putOf(key, value)),
        ),
      );
    await Promise.all(commits);
  }
};

/** The conflicts that a commit rejects with. @throws {AssertionError} if it resolves or rejects otherwise. */
export const conflictsFrom = async (
  commit: Promise<unknown>,
): Promise<ReadonlyMap<string, StoredRecord | undefined>> => {
  const error = await rejectionOf(commit, "CONFLICT");
  const conflicts = conflictsOf(error);
  if (conflicts === undefined) throw error;
  return conflicts;
};

/** How each of several commits ended. @throws What one rejected with, if that was not `CONFLICT`. */
export const winnersOf = async (commits: readonly Promise<unknown>[]): Promise<readonly number[]> => {
  const winners: number[] = [];
  const outcomes = await Promise.allSettled(commits);
  for (const [index, outcome] of outcomes.entries()) {
    if (outcome.status === "fulfilled") winners.push(index);
    else if (conflictsOf(outcome.reason) === undefined) throw outcome.reason;
  }
  return winners;
};

/** Compares records field by field. @param expected May be a commit's answer, which need not name earlier operations. */
export const assertRecord = (actual: StoredRecord | undefined, expected: StoredRecord, what: string): void => {
  assert.ok(actual !== undefined, `${what}: no record`);
  assert.equal(actual.revision, expected.revision, `${what}: the revision`);
  if (expected.value === undefined) assert.equal(actual.value, undefined, `${what}: a tombstone has no value`);
  else assertBytes(actual.value, expected.value, what);
  const { micros, node } = actual.timestamp;
  assert.deepEqual({ micros, node }, { ...expected.timestamp }, `${what}: the timestamp`);
  assert.equal(actual.committedAt, expected.committedAt, `${what}: the commit time`);
  const { operations } = expected;
  assert.equal(operations[0], expected.revision, `${what}: its own operation`);
  assert.deepEqual(actual.operations.slice(0, operations.length), [...operations], `${what}: the operations`);
  assert.equal(actual.expiresAt, expected.expiresAt, `${what}: the expiry`);
};

/** Compares what `get` or `getMany` gave with the record that must be there. */
export const assertRead = (
  actual: StoredRecord | "unchanged" | undefined,
  expected: StoredRecord,
  what: string,
): void => {
  assert.notEqual(actual, "unchanged", `${what}: "unchanged"`);
  assertRecord(actual as StoredRecord | undefined, expected, what);
};

export const listKeys = async (store: Store, prefix: string): Promise<string[]> => {
  const keys: string[] = [];
  for await (const key of store.keys(prefix)) keys.push(key);
  return keys;
};
