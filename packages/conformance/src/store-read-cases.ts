import assert from "node:assert/strict";
import { conflictsOf } from "@warp/core";
import { assertBytes, equalBytes } from "./assertions.ts";
import { hurried, settle, unhurried } from "./call-options.ts";
import type { CaseTable } from "./case.ts";
import { bytesOf, oddKeys, oddValues, range } from "./samples.ts";
import {
  assertRead,
  assertRecord,
  conflictsFrom,
  newOperation,
  put,
  putAll,
  putOf,
  read,
  readRecord,
  remove,
  writerTimestamp,
} from "./store-steps.ts";
import type { StoreSubject } from "./store-subject.ts";

/** What a store holds and gives back. */
export const storeReadCases: CaseTable<StoreSubject> = {
  "a store declares its facts as plain values": (store) => {
    assert.equal(store.portVersion, 1);
    assert.equal(typeof store.atomicBatch, "boolean");
    assert.equal(typeof store.conditionalDelete, "boolean");
    assert.ok(Number.isFinite(store.landsWithinMs) && store.landsWithinMs >= 0, "landsWithinMs: finite, at least 0");
  },
  "a key that was never written has no record": async (store) => {
    await put(store, "other", "x");
    assert.equal(await store.get("k"), undefined);
    assert.equal(await store.get("k", newOperation()), undefined);
    assert.deepEqual([...(await store.getMany(["k"]))], [undefined]);
    assert.deepEqual([...(await store.getMany(["k"], [newOperation()]))], [undefined]);
  },
  "a read gives what the last commit left": async (store, other) => {
    for (const value of ["x", "y"]) {
      const left = await put(store, "k", value);
      assertBytes(left.value, bytesOf(value), "the commit's answer");
      assertRecord(await read(store, "k"), left, "get");
      assertRecord(await read(other, "k"), left, "get of the other instance");
      assertRead((await store.getMany(["k"]))[0], left, "getMany");
    }
    const tombstone = await remove(store, "k");
    assertRecord(await read(other, "k"), tombstone, "get of the tombstone");
    assertRead((await other.getMany(["k"]))[0], tombstone, "getMany of the tombstone");
  },
  "a record carries its operation's id as revision, the writer's name and no expiry of its own": async (store) => {
    const operation = newOperation();
    const record = await put(store, "k", "x", { operation, timestamp: { ...writerTimestamp, node: "Ünit 7" } });
    assert.equal(record.revision, operation);
    assert.deepEqual([...record.operations], [operation]);
    assert.equal(record.timestamp.node, "Ünit 7");
    assert.ok(Number.isSafeInteger(record.timestamp.micros), "micros: a safe integer");
    assert.equal(record.expiresAt, undefined);
  },
  "bytes come back intact, from none to a mebibyte": async (store, other) => {
    for (const [index, value] of oddValues.entries()) {
      const left = await put(store, `v${index}`, value);
      assertBytes(left.value, value, `the commit's answer, value ${index}`);
      assertBytes((await readRecord(other, `v${index}`)).value, value, `value ${index}`);
    }
    const records = await other.getMany(oddValues.map((_, index) => `v${index}`));
    for (const [index, value] of oddValues.entries()) {
      const record = records[index];
      assert.ok(record !== undefined && record !== "unchanged");
      assertBytes(record.value, value, `getMany, value ${index}`);
    }
  },
  "a value of no bytes is a value, not a tombstone": async (store) => {
    await put(store, "k", new Uint8Array(0));
    assertBytes((await readRecord(store, "k")).value, new Uint8Array(0), "get");
    const keys = [];
    for await (const key of store.keys("")) keys.push(key);
    assert.deepEqual(keys, ["k"]);
  },
  "every legal key is taken, and none stands for another": async (store, other) => {
    for (const key of oddKeys) await put(store, key, `of ${key}`, { expected: null });
    const records = await other.getMany(oddKeys);
    for (const [index, key] of oddKeys.entries()) {
      const what = `key ${JSON.stringify(key.slice(0, 20))}`;
      assertBytes((await readRecord(other, key)).value, bytesOf(`of ${key}`), what);
      assertRead(records[index], await readRecord(other, key), `getMany, ${what}`);
    }
  },
  "a conflict names its key as it was given, whatever the key": async (store) => {
    for (const key of oddKeys) await put(store, key, "x", { expected: null });
    for (const key of oddKeys) {
      const conflicts = await conflictsFrom(put(store, key, "y", { expected: null }));
      assert.deepEqual([...conflicts.keys()], [key]);
    }
  },
  "changing the caller's bytes after a commit changes nothing stored": async (store) => {
    const value = bytesOf("before");
    const record = await put(store, "k", value);
    value.fill(0);
    assertBytes((await readRecord(store, "k")).value, bytesOf("before"), "get");
    assertBytes(record.value, bytesOf("before"), "the commit's answer");
  },
  "changing bytes that were read changes nothing stored": async (store) => {
    const committed = await put(store, "k", "before");
    committed.value?.fill(0);
    (await readRecord(store, "k")).value?.fill(0);
    const [record] = await store.getMany(["k"]);
    assert.ok(record !== undefined && record !== "unchanged" && record.value !== undefined);
    assert.ok(equalBytes(record.value, bytesOf("before")), "a reader's change reached the store");
  },
  "a call takes a signal and a time limit, also one with a fraction": async (store) => {
    const options = unhurried();
    const [record] = await store.commit(newOperation(), [putOf("k", "x")], options);
    assert.ok(record !== undefined);
    assertRead(await store.get("k", undefined, options), record, "get");
    assert.equal(await store.get("k", record.revision, options), "unchanged");
    assertRead((await store.getMany(["k"], undefined, options))[0], record, "getMany");
    for await (const key of store.keys("", options)) assert.equal(key, "k");
    assert.equal(typeof (await store.now(options)), "number");
  },
  "a call that was aborted or ran out of time harms no later one": async (store, other, time) => {
    const keys = range(24).map((index) => `hurried:${index}`);
    for (const [index, key] of keys.entries()) {
      const options = hurried[index % hurried.length];
      await settle([
        () => store.get(key, undefined, options),
        () => store.getMany(keys, undefined, options),
        () => store.commit(newOperation(), [putOf(key, "x")], options),
        () => store.now(options),
        async () => {
          for await (const listed of store.keys("", options)) assert.ok(listed.startsWith("hurried:"));
        },
      ]);
    }
    // Such a commit may land late or never, but whole; the calls after it are answered.
    for (const key of keys) {
      const before = await read(store, key);
      if (before !== undefined) assertBytes(before.value, bytesOf("x"), key);
      await time.until(`a commit on ${key} that meets no late one`, async () => {
        const outcome = await put(store, key, "y").catch(
          (error: unknown) => conflictsOf(error) ?? Promise.reject(error),
        );
        if (!("revision" in outcome)) return false;
        assertRecord(await read(other, key), outcome, key);
        return true;
      });
    }
  },
  "getMany answers in the order of its keys, with gaps and repetitions": async (store) => {
    const b = await put(store, "b", "1");
    const a = await put(store, "a", "2");
    const c = await remove(store, "c");
    const answers = await store.getMany(["c", "none", "b", "a", "b", "gone", "c"]);
    assert.equal(answers.length, 7);
    for (const [index, expected] of [c, undefined, b, a, b, undefined, c].entries()) {
      if (expected === undefined) assert.equal(answers[index], undefined, `answer ${index}`);
      else assertRead(answers[index], expected, `answer ${index}`);
    }
  },
  "getMany of no keys answers with an empty list": async (store) => {
    assert.deepEqual([...(await store.getMany([]))], []);
    assert.deepEqual([...(await store.getMany([], []))], []);
  },
  "getMany answers a thousand keys at once": async (store) => {
    const keys = range(1_000).map((index) => `many:${index}`);
    await putAll(store, keys, "x");
    const answers = await store.getMany([...keys].reverse());
    assert.equal(answers.length, 1_000);
    assert.ok(
      answers.every((answer) => answer !== undefined && answer !== "unchanged"),
      "a record for each",
    );
  },
  "a record is called unchanged where its revision still stands": async (store, other) => {
    const value = await put(store, "k", "x");
    assert.equal(await other.get("k", value.revision), "unchanged");
    const tombstone = await remove(store, "k");
    assert.equal(await other.get("k", tombstone.revision), "unchanged");
  },
  "a record is given whole where another revision was named": async (store, other) => {
    const first = await put(store, "k", "x");
    assertRead(await store.get("k", newOperation()), first, "a revision that never was");
    const second = await put(store, "k", "x");
    assertRead(await other.get("k", first.revision), second, "a former revision");
    const tombstone = await remove(store, "k");
    assertRead(await other.get("k", second.revision), tombstone, "the revision before the delete");
    const again = await put(store, "k", "x");
    assertRead(await other.get("k", tombstone.revision), again, "the tombstone's revision");
  },
  "getMany takes a revision for each key, also for a key asked twice": async (store) => {
    const a = await put(store, "a", "1");
    const b = await put(store, "b", "2");
    const c = await remove(store, "c");
    const answers = await store.getMany(
      ["a", "b", "a", "none", "c", "b", "c", "a"],
      [a.revision, undefined, b.revision, a.revision, c.revision, b.revision, a.revision, undefined],
    );
    const expected = ["unchanged", b, a, undefined, "unchanged", "unchanged", c, a] as const;
    assert.equal(answers.length, expected.length);
    for (const [index, one] of expected.entries()) {
      if (one === undefined || one === "unchanged") assert.equal(answers[index], one, `answer ${index}`);
      else assertRead(answers[index], one, `answer ${index}`);
    }
  },
  "the store's clock moves on": async (store, _other, time) => {
    const before = await store.now();
    assert.ok(Number.isFinite(before), "milliseconds since the epoch");
    assert.ok(before > Date.UTC(2001, 0) && before < Date.UTC(2200, 0), `a date of this age: ${before}`);
    await time.pass(5);
    await time.until("a later reading of the clock", async () => (await store.now()) > before);
  },
  "an expiry is the commit time plus the time to live": async (store) => {
    const oneYearMs = 365 * 86_400_000;
    for (const ttlMs of [60_000, oneYearMs, 20 * oneYearMs]) {
      const record = await put(store, "k", "x", { ttlMs });
      assert.ok(record.expiresAt !== undefined, "an expiry");
      const difference = Math.abs(record.expiresAt - record.committedAt - ttlMs);
      assert.ok(difference <= 1, `expires ${difference} ms off`);
      assertRecord(await read(store, "k"), record, "get");
    }
  },
  "a value is served until its expiry by the store's clock, and no longer": async (store, other, time) => {
    const { expiresAt } = await put(store, "k", "x", { ttlMs: 60 });
    assert.ok(expiresAt !== undefined);
    await time.until("the end of a value with a time to live", async () => {
      const before = await store.now();
      const [record] = await other.getMany(["k"]);
      const single = await readRecord(store, "k");
      const after = await store.now();
      assert.ok(record !== undefined && record !== "unchanged", "a record stays behind");
      // A millisecond either way for stores that date in finer units than they tell.
      for (const { value } of [record, single]) {
        if (after < expiresAt - 1) assert.ok(value !== undefined, "expired too early");
        if (before >= expiresAt + 1) assert.equal(value, undefined, "served after its expiry");
      }
      return before >= expiresAt + 1;
    });
  },
  "an expired value reads as a tombstone with the value's revision and expiry, and is never called unchanged": async (
    store,
    other,
    time,
  ) => {
    const value = await put(store, "k", "x", { ttlMs: 30 });
    await time.pass(30);
    await time.until("the expiry", async () => (await readRecord(store, "k")).value === undefined);
    assert.equal((await readRecord(other, "k")).revision, value.revision);
    const answers = [await other.get("k", value.revision), ...(await other.getMany(["k"], [value.revision]))];
    for (const answer of answers) {
      assert.ok(answer !== undefined && answer !== "unchanged", "a record");
      assert.equal(answer.value, undefined);
      assert.equal(answer.revision, value.revision);
      assert.equal(answer.expiresAt, value.expiresAt);
    }
  },
  "a commit over an expired value is conditional on that value's revision": async (store, other, time) => {
    const value = await put(store, "k", "x", { ttlMs: 30 });
    await time.pass(30);
    await time.until("the expiry", async () => (await readRecord(store, "k")).value === undefined);
    const conflicts = await conflictsFrom(store.commit(newOperation(), [putOf("k", "y")]));
    assert.equal(conflicts.get("k")?.revision, value.revision);
    assert.equal(conflicts.get("k")?.value, undefined, "the conflict shows an expired value as a tombstone");
    await store.commit(newOperation(), [{ kind: "check", key: "k", expected: value.revision }]);
    const next = await put(other, "k", "y", { expected: value.revision });
    assertRecord(await read(store, "k"), next, "get");
  },
  "a write without a time to live ends the expiry of the value before it": async (store, _other, time) => {
    await put(store, "k", "x", { ttlMs: 30 });
    await put(store, "k", "y");
    await put(store, "passing", "x", { ttlMs: 30 });
    await time.pass(30);
    await time.until("the expiry of another key", async () => (await readRecord(store, "passing")).value === undefined);
    const record = await readRecord(store, "k");
    assertBytes(record.value, bytesOf("y"), "get");
    assert.equal(record.expiresAt, undefined);
  },
};
