import assert from "node:assert/strict";
import type { Mutation, Store, StoredRecord } from "@warp/core";
import type { CaseTable } from "./case.ts";
import {
  assertRecord,
  conflictsFrom,
  deleteOf,
  newOperation,
  put,
  putOf,
  readRecord,
  remove,
  writerTimestamp,
} from "./store-steps.ts";
import { atomicBatch, type StoreSubject } from "./store-subject.ts";

/** Commits without reading the answer, which must be right where there is one. @returns What is read of the first key. */
const commitBlind = async (store: Store, ...mutations: readonly Mutation[]): Promise<StoredRecord> => {
  const operation = newOperation();
  const answer = await store.commit(operation, mutations, undefined, "none");
  const records: StoredRecord[] = [];
  for (const { key } of mutations) records.push(await readRecord(store, key));
  for (const record of records) assert.equal(record.revision, operation, "the revision is the operation");
  assert.ok(answer.length === 0 || answer.length === mutations.length, "an answer has all records or none");
  for (const [index, record] of answer.entries()) {
    assert.ok(record !== undefined, "an answer that is there has a record for each write");
    assertRecord(records[index], record, "the answer");
  }
  return records[0] as StoredRecord;
};

/** What becomes of a commit whose answer nobody reads. */
export const storeAnswerCases: CaseTable<StoreSubject> = {
  "a commit whose answer nobody reads leaves what any other leaves": async (store) => {
    const created = await commitBlind(store, putOf("k", "x"));
    const replaced = await commitBlind(store, putOf("k", "y", { expected: created.revision, ttlMs: 60_000 }));
    const deleted = await commitBlind(store, deleteOf("k", { expected: replaced.revision }));
    const again = await commitBlind(store, putOf("k", "z", { expected: deleted.revision }));
    const along = [created, replaced, deleted, again];
    const same = [await put(store, "l", "x"), await put(store, "l", "y", { ttlMs: 60_000 })];
    same.push(await remove(store, "l"), await put(store, "l", "z"));
    for (const [index, { value, timestamp, committedAt, expiresAt, operations }] of along.entries()) {
      const other = same[index];
      assert.deepEqual(value, other?.value);
      assert.equal(timestamp.node, writerTimestamp.node);
      assert.equal(expiresAt === undefined, other?.expiresAt === undefined, "whether it expires");
      const before = along[index - 1];
      if (before === undefined) continue;
      assert.ok(timestamp.micros > before.timestamp.micros, "timestamps grow");
      assert.ok(committedAt >= before.committedAt, "commit times do not go back");
      assert.equal(operations[1], before.revision, "the operation before");
    }
    const first = await commitBlind(store, deleteOf("m"));
    assert.equal(first.value, undefined);
  },
  "a commit whose answer nobody reads lands only where its conditions hold": async (store, other) => {
    const stale = [putOf("k", "y", { expected: newOperation() }), deleteOf("k", { expected: newOperation() })];
    for (const mutation of stale) {
      const conflicts = await conflictsFrom(store.commit(newOperation(), [mutation], undefined, "none"));
      assert.deepEqual([...conflicts], [["k", undefined]]);
    }
    const record = await put(other, "k", "x");
    for (const mutation of [...stale, putOf("k", "y"), deleteOf("k")]) {
      const conflicts = await conflictsFrom(store.commit(newOperation(), [mutation], undefined, "none"));
      assertRecord(conflicts.get("k"), record, "the conflict");
      assertRecord(await readRecord(other, "k"), record, "the record after a refused commit");
    }
  },
  "a commit whose answer nobody reads does not land twice": async (store) => {
    const operation = newOperation();
    await store.commit(operation, [putOf("k", "x")], undefined, "none");
    const conflicts = await conflictsFrom(store.commit(operation, [putOf("k", "x")], undefined, "none"));
    assert.equal(conflicts.get("k")?.revision, operation);
  },
  "a commit of several keys whose answer nobody reads lands on all or none": {
    needs: atomicBatch,
    check: async (store) => {
      const { revision } = await commitBlind(store, putOf("a", "x"), putOf("b", "y"), deleteOf("c"));
      const mutations = [putOf("a", "z", { expected: revision }), putOf("b", "z")];
      const conflicts = await conflictsFrom(store.commit(newOperation(), mutations, undefined, "none"));
      assert.deepEqual([...conflicts.keys()], ["b"]);
      assert.equal((await readRecord(store, "a")).revision, revision);
    },
  },
};
