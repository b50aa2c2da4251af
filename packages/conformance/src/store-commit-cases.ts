import assert from "node:assert/strict";
import { compareTimestamps, rememberedOperations, type Store, type StoredRecord } from "@warp/core";
import { assertBytes } from "./assertions.ts";
import type { CaseTable } from "./case.ts";
import { bytesOf, range } from "./samples.ts";
import {
  assertRecord,
  checkOf,
  conflictsFrom,
  deleteOf,
  listKeys,
  newOperation,
  put,
  putAll,
  putOf,
  read,
  readRecord,
  remove,
  writerTimestamp,
} from "./store-steps.ts";
import { atomicBatch, type StoreSubject, settableClock } from "./store-subject.ts";

/** The record in `conflicts` must be what a read gives, for `key` and no other key. */
const assertOneConflict = async (store: Store, key: string, commit: Promise<unknown>): Promise<void> => {
  const before = await read(store, key);
  const conflicts = await conflictsFrom(commit);
  assert.deepEqual([...conflicts.keys()], [key]);
  const after = await read(store, key);
  if (before === undefined) {
    assert.equal(conflicts.get(key), undefined);
    assert.equal(after, undefined, "a refused commit left a record");
  } else {
    assertRecord(conflicts.get(key), before, "the conflict");
    assertRecord(after, before, "the record after a refused commit");
  }
};

/** What a sequence of writes along one key leaves: put, put, delete, put, with an expiry in between. */
const writeAlong = async (store: Store, key: string, micros: readonly number[]): Promise<StoredRecord[]> => {
  const records: StoredRecord[] = [];
  for (const [index, reading] of micros.entries()) {
    const timestamp = { micros: reading, node: index % 2 === 0 ? "b" : "a" };
    const step = index % 3 === 2 ? remove(store, key, { timestamp }) : put(store, key, "x", { timestamp });
    records.push(await step);
  }
  return records;
};

/** Under which conditions a commit lands, and what it leaves. */
export const storeCommitCases: CaseTable<StoreSubject> = {
  "a commit on no record lands only where there is none, not on a tombstone": async (store, other) => {
    await put(store, "k", "x", { expected: null });
    await assertOneConflict(other, "k", other.commit(newOperation(), [putOf("k", "y")]));
    await assertOneConflict(other, "k", other.commit(newOperation(), [deleteOf("k")]));
    await remove(store, "k");
    await assertOneConflict(other, "k", other.commit(newOperation(), [putOf("k", "y")]));
    await assertOneConflict(other, "k", other.commit(newOperation(), [deleteOf("k")]));
  },
  "a commit on a revision lands only where that revision stands": async (store, other) => {
    const first = await put(store, "k", "x");
    const second = await put(other, "k", "y", { expected: first.revision });
    for (const stale of [first.revision, newOperation()]) {
      await assertOneConflict(store, "k", store.commit(newOperation(), [putOf("k", "z", { expected: stale })]));
      await assertOneConflict(store, "k", store.commit(newOperation(), [deleteOf("k", { expected: stale })]));
    }
    await remove(store, "k", { expected: second.revision });
  },
  "a commit on a revision does not land where there is no record": async (store) => {
    const expected = newOperation();
    await assertOneConflict(store, "k", store.commit(newOperation(), [putOf("k", "x", { expected })]));
    await assertOneConflict(store, "k", store.commit(newOperation(), [deleteOf("k", { expected })]));
  },
  "a commit on a tombstone's revision lands": async (store, other) => {
    await put(store, "k", "x");
    const tombstone = await remove(store, "k");
    const next = await put(other, "k", "y", { expected: tombstone.revision });
    assertRecord(await read(store, "k"), next, "get");
    await assertOneConflict(
      store,
      "k",
      store.commit(newOperation(), [putOf("k", "z", { expected: tombstone.revision })]),
    );
  },
  "a delete leaves a tombstone with a revision of its own, also where there was nothing": async (store) => {
    const value = await put(store, "k", "x");
    for (const key of ["k", "never written"]) {
      const operation = newOperation();
      const tombstone = await remove(store, key, { operation });
      assert.equal(tombstone.value, undefined);
      assert.equal(tombstone.revision, operation);
      assert.notEqual(tombstone.revision, value.revision);
      assert.equal(tombstone.expiresAt, undefined);
      assertRecord(await read(store, key), tombstone, "get");
    }
    const again = await remove(store, "k");
    assertRecord(await read(store, "k"), again, "a tombstone over a tombstone");
  },
  "a check changes nothing and answers with what stands": async (store) => {
    const value = await put(store, "value", "x");
    const tombstone = await remove(store, "tombstone");
    for (const record of [value, tombstone]) {
      const key = record === value ? "value" : "tombstone";
      const answer = await store.commit(newOperation(), [checkOf(key, record.revision)]);
      assert.equal(answer.length, 1);
      assertRecord(answer[0], record, "the check's answer");
      assertRecord(await read(store, key), record, "get after a check");
    }
  },
  "a check of no record answers undefined and leaves none behind": async (store) => {
    assert.deepEqual([...(await store.commit(newOperation(), [checkOf("k", undefined)]))], [undefined]);
    assert.equal(await read(store, "k"), undefined);
    await put(store, "k", "x", { expected: null });
  },
  "a commit of checks alone takes place only if they hold": async (store) => {
    await assertOneConflict(store, "none", store.commit(newOperation(), [checkOf("none", newOperation())]));
    const first = await put(store, "k", "x");
    await assertOneConflict(store, "k", store.commit(newOperation(), [checkOf("k", undefined)]));
    await put(store, "k", "x");
    await assertOneConflict(store, "k", store.commit(newOperation(), [checkOf("k", first.revision)]));
    await remove(store, "k");
    await assertOneConflict(store, "k", store.commit(newOperation(), [checkOf("k", undefined)]));
  },
  "a check that fails fails the commit it is in": {
    needs: atomicBatch,
    check: async (store) => {
      const guard = await put(store, "guard", "x");
      const commit = (expected: string | undefined): Promise<unknown> =>
        store.commit(newOperation(), [putOf("k", "y"), checkOf("guard", expected), deleteOf("l")]);
      await assertOneConflict(store, "guard", commit(undefined));
      await put(store, "guard", "x");
      await assertOneConflict(store, "guard", commit(guard.revision));
      assert.equal(await read(store, "k"), undefined);
      assert.equal(await read(store, "l"), undefined);
      await commit((await readRecord(store, "guard")).revision);
      assertBytes((await readRecord(store, "k")).value, bytesOf("y"), "the commit whose check holds");
    },
  },
  "a commit answers in the order of its mutations": {
    needs: atomicBatch,
    check: async (store) => {
      const checked = await put(store, "m", "checked");
      const operation = newOperation();
      const answer = await store.commit(operation, [
        putOf("z", "1"),
        deleteOf("b"),
        checkOf("m", checked.revision),
        putOf("a", "2"),
        checkOf("none", undefined),
        putOf("y", "3"),
      ]);
      assert.equal(answer.length, 6);
      for (const [index, key] of ["z", "b", "m", "a", "none", "y"].entries()) {
        const record = await read(store, key);
        if (record === undefined) assert.equal(answer[index], undefined, `answer ${index}, of ${key}`);
        else assertRecord(answer[index], record, `answer ${index}, of ${key}`);
        if (key !== "m" && key !== "none") assert.equal(record?.revision, operation, `the revision of ${key}`);
      }
      assert.equal(await read(store, "none"), undefined);
    },
  },
  "a commit lands on all of its keys or on none, wherever the one that moved stands": {
    needs: atomicBatch,
    check: async (store) => {
      const keys = range(60).map((index) => `all:${(index * 37) % 60}`);
      const before = await put(store, "moved", "x");
      await put(store, "moved", "x");
      for (const at of [0, 30, 60]) {
        const mutations = keys.map((key) => putOf(key, "y"));
        mutations.splice(at, 0, putOf("moved", "y", { expected: before.revision }));
        await assertOneConflict(store, "moved", store.commit(newOperation(), mutations));
        for (const record of await store.getMany(keys))
          assert.equal(record, undefined, `half a commit, with the moved key at ${at}`);
      }
      assert.deepEqual(await listKeys(store, "all:"), []);
    },
  },
  "a commit takes a thousand keys": {
    needs: atomicBatch,
    check: async (store) => {
      const keys = range(1_000).map((index) => `many:${index}`);
      const operation = newOperation();
      const answer = await store.commit(
        operation,
        keys.map((key) => putOf(key, key)),
      );
      assert.equal(answer.length, 1_000);
      for (const [index, record] of (await store.getMany(keys)).entries()) {
        assert.ok(record !== undefined && record !== "unchanged");
        assert.equal(record.revision, operation);
        assertBytes(record.value, bytesOf(`many:${index}`), "a value of a large commit");
      }
    },
  },
  "a conflict names every key that moved with what it holds now, and no other key": {
    needs: atomicBatch,
    check: async (store) => {
      const stands = await put(store, "stands", "x");
      const moved = await put(store, "moved", "x");
      const now = await put(store, "moved", "y");
      const deleted = await put(store, "deleted", "x");
      const tombstone = await remove(store, "deleted");
      const created = await put(store, "created", "x");
      const conflicts = await conflictsFrom(
        store.commit(newOperation(), [
          putOf("absent", "z"),
          putOf("created", "z"),
          checkOf("deleted", deleted.revision),
          putOf("moved", "z", { expected: moved.revision }),
          checkOf("stands", stands.revision),
          deleteOf("vanished", { expected: newOperation() }),
        ]),
      );
      assert.deepEqual([...conflicts.keys()].sort(), ["created", "deleted", "moved", "vanished"]);
      for (const [key, { revision }] of [
        ["created", created] as const,
        ["deleted", tombstone] as const,
        ["moved", now] as const,
      ]) {
        // As it is read: unlike a commit's answer, a conflict names every operation that is remembered.
        const standing = await readRecord(store, key);
        assert.equal(standing.revision, revision, key);
        assertRecord(conflicts.get(key), standing, key);
      }
      assert.equal(conflicts.get("vanished"), undefined);
      assert.equal(await read(store, "absent"), undefined);
    },
  },
  "an operation sent twice lands once": async (store, other) => {
    const operation = newOperation();
    const landed = await put(store, "k", "x", { operation, expected: null });
    const again = await conflictsFrom(other.commit(operation, [putOf("k", "x")]));
    assert.deepEqual([...(again.get("k")?.operations ?? [])], [operation], "the conflict shows that it had landed");
    assertRecord(await read(store, "k"), landed, "get");
    const second = newOperation();
    const deletion = [deleteOf("k", { expected: landed.revision })];
    await store.commit(second, deletion);
    const tombstone = await readRecord(store, "k");
    await conflictsFrom(other.commit(second, deletion));
    assertRecord(await read(store, "k"), tombstone, "get after the delete was sent twice");
    assert.deepEqual([...tombstone.operations], [second, operation]);
  },
  "an operation sent twice at the same time lands once": async (store, other) => {
    const { revision } = await put(store, "k", "0");
    const operation = newOperation();
    const outcomes = await Promise.allSettled(
      range(10).map((index) =>
        (index % 2 === 0 ? store : other).commit(operation, [putOf("k", "1", { expected: revision })]),
      ),
    );
    assert.equal(outcomes.filter(({ status }) => status === "fulfilled").length, 1);
    assert.deepEqual([...(await readRecord(store, "k")).operations], [operation, revision]);
  },
  "a record names its last operations, newest first, also after deletes": async (store, other) => {
    const operations: string[] = [];
    for (const index of range(rememberedOperations + 6)) {
      const operation = newOperation();
      operations.unshift(operation);
      const step = index % 4 === 3 ? remove(store, "k", { operation }) : put(store, "k", "x", { operation });
      const answer = await step;
      const expected = operations.slice(0, rememberedOperations);
      const named = [...answer.operations];
      assert.deepEqual(named, named.length === 1 ? [operation] : expected, `the answer after ${index + 1} operations`);
      const record = await readRecord(other, "k");
      assert.deepEqual([...record.operations], expected, `after ${index + 1} operations`);
      assert.equal(record.operations[0], record.revision);
    }
  },
  "the outcome of an operation can be read back while fifteen others follow it": async (store, other) => {
    const operation = newOperation();
    await put(store, "k", "x", { operation });
    for (const index of range(rememberedOperations - 1)) {
      if (index % 5 === 4) await remove(store, "k");
      else await put(store, "k", "y");
      const { operations } = await readRecord(other, "k");
      assert.ok(operations.includes(operation), `forgotten after ${index + 1} others`);
    }
  },
  "a revision never comes back, also after the same value again": async (store) => {
    const seen = new Set<string>();
    for (const value of ["x", "y", "x", "x"]) seen.add((await put(store, "k", value)).revision);
    assert.equal(seen.size, 4);
  },
  "a revision never comes back, also after a delete and the same value again": async (store) => {
    const seen = new Set<string>();
    for (const _ of range(3)) {
      seen.add((await put(store, "k", "x")).revision);
      seen.add((await remove(store, "k")).revision);
    }
    assert.equal(seen.size, 6);
  },
  "timestamps grow along a key, though the writers' own go back": async (store) => {
    const { micros } = writerTimestamp;
    const readings = [micros, 1, micros * 2, micros, 0, micros * 2, micros * 2 - 1, 5, micros];
    const records = await writeAlong(store, "k", readings);
    for (const [index, record] of records.slice(1).entries()) {
      const before = records[index] as StoredRecord;
      assert.ok(compareTimestamps(before.timestamp, record.timestamp) < 0, `write ${index + 1} did not grow`);
      assert.ok(Number.isSafeInteger(record.timestamp.micros), "micros: a safe integer");
    }
  },
  "timestamps grow also where two writers read the same instant": async (store) => {
    const records = await writeAlong(
      store,
      "k",
      range(12).map(() => writerTimestamp.micros),
    );
    for (const [index, record] of records.slice(1).entries())
      assert.ok(compareTimestamps((records[index] as StoredRecord).timestamp, record.timestamp) < 0);
  },
  "a timestamp names the node that wrote it": async (store) => {
    for (const node of ["b", "a", "", "ñ"])
      assert.equal((await put(store, "k", "x", { timestamp: { micros: 1, node } })).timestamp.node, node);
    assert.equal((await remove(store, "k", { timestamp: { micros: 1, node: "c" } })).timestamp.node, "c");
  },
  "a commit is dated by the store's clock, not by the writer's": async (store) => {
    for (const micros of [1, writerTimestamp.micros * 2]) {
      const before = await store.now();
      const { committedAt } = await put(store, "k", "x", { timestamp: { micros, node: "n" } });
      const after = await store.now();
      assert.ok(committedAt >= before - 1 && committedAt <= after + 1, `${before} <= ${committedAt} <= ${after}`);
    }
  },
  "commit times never go back along a key": async (store, other, time) => {
    let last = 0;
    for (const index of range(30)) {
      const instance = index % 2 === 0 ? store : other;
      const { committedAt } = index % 5 === 4 ? await remove(instance, "k") : await put(instance, "k", "x");
      assert.ok(committedAt >= last, `${committedAt} after ${last}`);
      last = committedAt;
      if (index % 10 === 9) await time.pass(2);
    }
  },
  "commit times never go back along a key, though the store's clock does": {
    needs: settableClock,
    check: async (store, _other, _time, { setClockBack }) => {
      const first = await put(store, "k", "x");
      await setClockBack?.(60_000);
      const second = await put(store, "k", "y");
      const third = await remove(store, "k");
      assert.ok(first.committedAt <= second.committedAt && second.committedAt <= third.committedAt);
      assert.ok(compareTimestamps(first.timestamp, second.timestamp) < 0);
      assert.ok(compareTimestamps(second.timestamp, third.timestamp) < 0);
    },
  },
  "what a refused commit brought leaves no trace": async (store) => {
    const record = await put(store, "k", "x");
    const refused = newOperation();
    await conflictsFrom(store.commit(refused, [putOf("k", "y", { expected: newOperation(), ttlMs: 5 })]));
    const { revision } = await put(store, "k", "z", { expected: record.revision });
    const next = await readRecord(store, "k");
    assert.deepEqual([...next.operations], [revision, record.revision]);
    assert.ok(!next.operations.includes(refused));
  },
  "commits on different keys do not disturb each other": async (store, other) => {
    const keys = range(40).map((index) => `own:${index}`);
    await Promise.all(keys.map((key, index) => put(index % 2 === 0 ? store : other, key, key, { expected: null })));
    await putAll(store, ["last"], "x");
    for (const key of keys) assertBytes((await readRecord(store, key)).value, bytesOf(key), key);
  },
};
