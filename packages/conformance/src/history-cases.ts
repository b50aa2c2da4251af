import assert from "node:assert/strict";
import { type History, type HistoryRetention, type Store, type StoredRecord, WarpError } from "@warp/core";
import { assertBytes, rejectionOf } from "./assertions.ts";
import { unhurried } from "./call-options.ts";
import { type CaseTable, type ConformanceCase, casesOf, type OpenSubject } from "./case.ts";
import { bytesOf, oddKeys, oddValues, range } from "./samples.ts";
import {
  checkOf,
  conflictsFrom,
  newOperation,
  put,
  putOf,
  readRecord,
  remove,
  type WriteOptions,
  writerTimestamp,
} from "./store-steps.ts";
import { atomicBatch, type HistorySubject, settableClock } from "./store-subject.ts";
import type { Time } from "./time.ts";

type HistoricStore = Store & History;

const forEver: HistoryRetention = { versions: undefined, maxAgeMs: undefined };

/** Waits until the store's clock stands clearly after `record`'s commit, so that the next commit has a later date. */
const after = async (store: Store, { committedAt }: StoredRecord, time: Time): Promise<void> => {
  await time.until("the next milliseconds", async () => (await store.now()) >= committedAt + 4);
};

/** Writes the versions one after another, each at a date of its own; `undefined` deletes. */
const writeVersions = async (
  store: Store,
  key: string,
  values: readonly (string | undefined)[],
  time: Time,
  history: HistoryRetention | undefined = forEver,
): Promise<StoredRecord[]> => {
  const records: StoredRecord[] = [];
  for (const value of values) {
    const record = await (value === undefined ? remove(store, key, { history }) : put(store, key, value, { history }));
    await after(store, record, time);
    records.push(record);
  }
  return records;
};

/** Compares what identifies a version: whether the past also keeps the list of operations is the store's to say. */
const assertVersion = (actual: StoredRecord | undefined, expected: StoredRecord, what: string): void => {
  assert.ok(actual !== undefined, `${what}: no record`);
  assert.equal(actual.revision, expected.revision, `${what}: the revision`);
  if (expected.value === undefined) assert.equal(actual.value, undefined, `${what}: a record without a value`);
  else assertBytes(actual.value, expected.value, what);
  assert.equal(actual.committedAt, expected.committedAt, `${what}: the commit time`);
  const { micros, node } = actual.timestamp;
  assert.deepEqual({ micros, node }, { ...expected.timestamp }, `${what}: the timestamp`);
  assert.equal(actual.operations[0], expected.revision, `${what}: its own operation`);
};

/** Every version, asked for at its commit, between it and the next, and just before the next. */
const assertPast = async (store: HistoricStore, key: string, records: readonly StoredRecord[]): Promise<void> => {
  for (const [index, record] of records.entries()) {
    const next = records[index + 1];
    const end = next === undefined ? record.committedAt + 1e9 : next.committedAt;
    for (const at of [record.committedAt, (record.committedAt + end) / 2, end - 1])
      assertVersion(await store.getAt(key, at), record, `version ${index} at ${at}`);
  }
};

const assertUnavailable = async (store: HistoricStore, key: string, at: number, what: string): Promise<void> => {
  const error = await rejectionOf(store.getAt(key, at), `HISTORY_UNAVAILABLE for ${what}`);
  if (!WarpError.has(error, "HISTORY_UNAVAILABLE")) throw error;
};

const storeHistoryCases: CaseTable<HistorySubject> = {
  "a key that was never written had no record at any time": async (store) => {
    await put(store, "other", "x", { history: forEver });
    for (const at of [0, await store.now(), (await store.now()) + 1e9])
      assert.equal(await store.getAt("k", at), undefined);
  },
  "before its first commit a key had no record": async (store, _other, time) => {
    const [first] = await writeVersions(store, "k", ["x", "y"], time);
    assert.ok(first !== undefined);
    for (const at of [0, first.committedAt - 100_000, first.committedAt - 1])
      assert.equal(await store.getAt("k", at), undefined, `at ${at}`);
  },
  "a version stands from its commit, that instant included, until the next": async (store, other, time) => {
    const records = await writeVersions(store, "k", ["1", "2", "3", "4"], time);
    await assertPast(store, "k", records);
    await assertPast(other, "k", records);
  },
  "the last version stands from its commit on, also in times to come": async (store, _other, time) => {
    const records = await writeVersions(store, "k", ["1", "2"], time);
    const last = records[1] as StoredRecord;
    for (const at of [last.committedAt, await store.now(), (await store.now()) + 1e12])
      assertVersion(await store.getAt("k", at), last, `at ${at}`);
  },
  "between a delete and the next put the past holds a record without a value": async (store, other, time) => {
    const records = await writeVersions(store, "k", ["1", undefined, "2", undefined, undefined, "3"], time);
    await assertPast(other, "k", records);
  },
  "of versions with one commit time the last counts": async (store) => {
    const records: StoredRecord[] = [];
    for (const index of range(12)) records.push(await put(store, "k", `${index}`, { history: forEver }));
    for (const { committedAt } of records) {
      const last = records.findLast((record) => record.committedAt === committedAt);
      assertVersion(await store.getAt("k", committedAt), last as StoredRecord, `at ${committedAt}`);
    }
  },
  "a value that had expired then comes without a value, and with it where it had not": async (store, _other, time) => {
    const value = await put(store, "k", "x", { ttlMs: 30, history: forEver });
    const expiresAt = value.expiresAt as number;
    const assertBoth = async (what: string): Promise<void> => {
      assertVersion(await store.getAt("k", value.committedAt), value, `${what}, while it lived`);
      assertVersion(await store.getAt("k", expiresAt - 2), value, `${what}, at the end of its life`);
      const expired = await store.getAt("k", expiresAt + 2);
      assertVersion(expired, { ...value, value: undefined }, `${what}, once it had expired`);
    };
    await time.until("the expiry", async () => (await store.now()) > expiresAt + 4);
    await put(store, "k", "y", { history: forEver });
    await assertBoth("after the next put");
  },
  "the past is dated by the store's clock, whatever the writers' say": async (store, _other, time) => {
    const records: StoredRecord[] = [];
    for (const micros of [writerTimestamp.micros * 2, 1, writerTimestamp.micros]) {
      const record = await put(store, "k", `${micros}`, { history: forEver, timestamp: { micros, node: "n" } });
      await after(store, record, time);
      records.push(record);
    }
    await assertPast(store, "k", records);
  },
  "the past stays in order though the store's clock goes back": {
    needs: settableClock,
    check: async (store, _other, time, { setClockBack }) => {
      const [first, second] = await writeVersions(store, "k", ["1", "2"], time);
      await setClockBack?.(60_000);
      const third = await put(store, "k", "3", { history: forEver });
      assert.ok(first !== undefined && second !== undefined && third.committedAt >= second.committedAt);
      assertVersion(await store.getAt("k", first.committedAt), first, "the first");
      assertVersion(await store.getAt("k", third.committedAt), third, "the last");
    },
  },
  "the past of a value is its bytes, intact": async (store, other, time) => {
    const records: StoredRecord[] = [];
    for (const value of oddValues) {
      const record = await put(store, "k", value, { history: forEver });
      await after(store, record, time);
      records.push(record);
    }
    await put(store, "k", "now", { history: forEver });
    for (const [index, value] of oddValues.entries()) {
      const version = await other.getAt("k", (records[index] as StoredRecord).committedAt);
      assertBytes(version?.value, value, `value ${index}`);
    }
  },
  "each key has its own past, whatever the key": async (store, _other, time) => {
    const firsts: StoredRecord[] = [];
    for (const key of oddKeys) firsts.push(await put(store, key, `of ${key}`, { history: forEver }));
    await after(store, firsts.at(-1) as StoredRecord, time);
    for (const key of oddKeys) await put(store, key, "now", { history: forEver });
    for (const [index, key] of oddKeys.entries()) {
      const { committedAt } = firsts[index] as StoredRecord;
      assertBytes((await store.getAt(key, committedAt))?.value, bytesOf(`of ${key}`), JSON.stringify(key));
    }
  },
  "changing bytes that came from the past changes nothing kept": async (store, _other, time) => {
    const [first] = await writeVersions(store, "k", ["before", "now"], time);
    assert.ok(first !== undefined);
    (await store.getAt("k", first.committedAt))?.value?.fill(0);
    assertBytes((await store.getAt("k", first.committedAt))?.value, bytesOf("before"), "the past");
  },
  "a bound on versions keeps that many former ones, and answers HISTORY_UNAVAILABLE before": async (
    store,
    other,
    time,
  ) => {
    const history = { versions: 2, maxAgeMs: undefined };
    const records = await writeVersions(store, "k", ["1", "2", undefined, "4", "5", "6"], time, history);
    await assertPast(other, "k", records.slice(3));
    for (const { committedAt } of records.slice(0, 3))
      await assertUnavailable(other, "k", committedAt, `a version beyond the bound, at ${committedAt}`);
    await assertUnavailable(other, "k", (records[3] as StoredRecord).committedAt - 1, "the end of what is not kept");
  },
  "a bound on age keeps a former version for that long after it was superseded": async (store, _other, time) => {
    const history = { versions: undefined, maxAgeMs: 600_000 };
    const [first] = await writeVersions(store, "k", ["1"], time, history);
    await time.pass(time.exact ? 500_000 : 20);
    const others = await writeVersions(store, "k", ["2", "3"], time, history);
    await time.pass(time.exact ? 500_000 : 20);
    await assertPast(store, "k", [first as StoredRecord, ...others]);
  },
  "a former version past its age is HISTORY_UNAVAILABLE, while the current one stands however old": async (
    store,
    _other,
    time,
  ) => {
    const history = { versions: undefined, maxAgeMs: 40 };
    const [first, second] = await writeVersions(store, "k", ["1", "2"], time, history);
    assert.ok(first !== undefined && second !== undefined);
    await time.until("the end of the first version's time", async () => {
      return (await store.now()) > second.committedAt + 42;
    });
    await assertUnavailable(store, "k", first.committedAt, "a version past its age");
    assertVersion(await store.getAt("k", second.committedAt), second, "the current version");
  },
  "both bounds hold": async (store, _other, time) => {
    const history = { versions: 1, maxAgeMs: 600_000 };
    const [first, second, third] = await writeVersions(store, "k", ["1", "2", "3"], time, history);
    assert.ok(first !== undefined && second !== undefined && third !== undefined);
    await assertUnavailable(store, "k", first.committedAt, "a young version beyond the bound on versions");
    await assertPast(store, "k", [second, third]);
    const short = { versions: 10, maxAgeMs: 40 };
    const [old, current] = await writeVersions(store, "l", ["1", "2"], time, short);
    assert.ok(old !== undefined && current !== undefined);
    await time.until("the end of its time", async () => (await store.now()) > current.committedAt + 42);
    await assertUnavailable(store, "l", old.committedAt, "an old version within the bound on versions");
  },
  "without bounds the past is kept whole": async (store, other, time) => {
    const values = range(40).map((index) => (index % 7 === 6 ? undefined : `${index}`));
    const records = await writeVersions(store, "k", values, time);
    for (const [index, record] of records.entries())
      assertVersion(await other.getAt("k", record.committedAt), record, `version ${index}`);
  },
  "a version is kept only if the write that supersedes it says so": async (store, _other, time) => {
    const steps: readonly WriteOptions[] = [{}, { history: forEver }, {}, { history: forEver }];
    const records: StoredRecord[] = [];
    for (const [index, options] of steps.entries()) {
      const record = await put(store, "k", `${index}`, options);
      await after(store, record, time);
      records.push(record);
    }
    const [kept, gap, keptToo, current] = records as [StoredRecord, StoredRecord, StoredRecord, StoredRecord];
    assertVersion(await store.getAt("k", kept.committedAt), kept, "superseded with history");
    await assertUnavailable(store, "k", gap.committedAt, "a version superseded without history");
    await assertUnavailable(store, "k", keptToo.committedAt - 1, "the end of that version");
    assertVersion(await store.getAt("k", keptToo.committedAt), keptToo, "the next with history");
    assertVersion(await store.getAt("k", current.committedAt), current, "the current version");
  },
  "a call takes a signal and a time limit, also one with a fraction": async (store) => {
    const record = await put(store, "k", "x", { history: forEver });
    assertVersion(await store.getAt("k", record.committedAt, unhurried()), record, "getAt");
  },
  "a check is no version": async (store, _other, time) => {
    const history = { versions: 1, maxAgeMs: undefined };
    const records = await writeVersions(store, "k", ["1", "2"], time, history);
    for (const _ of range(3)) await store.commit(newOperation(), [checkOf("k", (records[1] as StoredRecord).revision)]);
    await assertPast(store, "k", records);
  },
  "a refused commit is no version": async (store, _other, time) => {
    const history = { versions: 1, maxAgeMs: undefined };
    const records = await writeVersions(store, "k", ["1", "2"], time, history);
    for (const _ of range(3))
      await conflictsFrom(store.commit(newOperation(), [putOf("k", "x", { history, expected: newOperation() })]));
    await assertPast(store, "k", records);
    assertVersion(await readRecord(store, "k"), records[1] as StoredRecord, "the record");
  },
  "every key of a commit gets its version": {
    needs: atomicBatch,
    check: async (store, other, time) => {
      const keys = range(30).map((index) => `k${index}`);
      const write = async (text: string, expected: readonly StoredRecord[]): Promise<StoredRecord[]> => {
        const mutations = keys.map((key, index) =>
          putOf(key, text, { history: forEver, expected: expected[index]?.revision ?? null }),
        );
        const records = (await store.commit(newOperation(), mutations)) as StoredRecord[];
        await after(store, records[0] as StoredRecord, time);
        return records;
      };
      const first = await write("1", []);
      await write("2", first);
      for (const [index, key] of keys.entries()) {
        const version = first[index] as StoredRecord;
        assertVersion(await other.getAt(key, version.committedAt), version, key);
      }
    },
  },
};

/** The contract of `History`, which a store that keeps its past implements beside `Store`. */
export const historyCases = (open: OpenSubject<HistorySubject>): readonly ConformanceCase[] =>
  casesOf(open, [storeHistoryCases]);
