import assert from "node:assert/strict";
import { type SharedCache, type SharedPut, type SharedSlot, type SlotToken, systemRandom } from "@warp/core";
import { assertBytes } from "./assertions.ts";
import { hurried, settle, unhurried } from "./call-options.ts";
import { type CaseTable, type ConformanceCase, casesOf, type Need, type OpenSubject, type Subject } from "./case.ts";
import { bytesOf, oddKeys, oddValues, range, textOf } from "./samples.ts";
import type { Time } from "./time.ts";

/** A shared cache to be checked. */
export interface SharedCacheSubject extends Subject<SharedCache> {
  /** Makes the tier forget a slot and its token behind the adapter's back, as eviction does. Absent where a test cannot. */
  readonly forget?: ((key: string) => void | Promise<void>) | undefined;
  /** Makes `port` see what may be a rollback (a reconnect will do), and leaves it usable. Absent where a test cannot. */
  readonly rollBack?: (() => void | Promise<void>) | undefined;
}

const forgetting: Need<SharedCacheSubject> = { fact: "forget", holds: ({ forget }) => forget !== undefined };

const rollingBack: Need<SharedCacheSubject> = { fact: "rollBack", holds: ({ rollBack }) => rollBack !== undefined };

const minute = 60_000;
const tenYears = 10 * 365 * 86_400_000;

const readOne = async (cache: SharedCache, key: string, reserveMs: number = minute): Promise<SharedSlot> => {
  const slots = await cache.read([key], reserveMs);
  assert.equal(slots.length, 1, "one answer for one key");
  return slots[0] as SharedSlot;
};

const tokenOf = async (cache: SharedCache, key: string, reserveMs: number = minute): Promise<SlotToken> =>
  (await readOne(cache, key, reserveMs)).token;

const putOf = (
  key: string,
  value: string | Uint8Array,
  token: SlotToken | undefined,
  ttlMs: number = minute,
): SharedPut => ({ key, bytes: typeof value === "string" ? bytesOf(value) : value, ttlMs, token });

const putOne = async (
  cache: SharedCache,
  key: string,
  value: string | Uint8Array,
  token?: SlotToken,
  ttlMs?: number,
): Promise<boolean> => {
  const landed = await cache.put([putOf(key, value, token, ttlMs)]);
  assert.equal(landed.length, 1, "one answer for one put");
  return landed[0] as boolean;
};

const fill = async (cache: SharedCache, key: string, value: string | Uint8Array, ttlMs?: number): Promise<void> => {
  assert.equal(await putOne(cache, key, value, undefined, ttlMs), true, "an unconditional put lands");
};

const assertEmpty = (slot: SharedSlot | undefined, what: string): void => {
  assert.ok(slot !== undefined, `${what}: no answer`);
  assert.equal(slot.bytes, undefined, `${what}: bytes in an empty slot`);
  assert.equal(slot.expiresInMs, 0, `${what}: an empty slot has no time left`);
  assert.ok(typeof slot.token === "string" && slot.token !== "", `${what}: a token`);
};

const assertHolds = async (cache: SharedCache, key: string, value: string): Promise<void> => {
  assertBytes((await readOne(cache, key)).bytes, bytesOf(value), key);
};

/** Lets `ms` of the tier's clock go by for certain: where it is not the test's to move, some more. */
const outlast = (time: Time, ms: number): Promise<void> => time.pass(time.exact ? ms : ms * 3);

const slotCases: CaseTable<SharedCacheSubject> = {
  "the port version is 1": (cache) => {
    assert.equal(cache.portVersion, 1);
  },
  "an empty slot has a token, no bytes and no time left": async (cache) => {
    assertEmpty(await readOne(cache, "k"), "read");
  },
  "a token left in an empty slot is found there by later readers": async (cache, other) => {
    const token = await tokenOf(cache, "k");
    assert.equal(await tokenOf(cache, "k"), token);
    assert.equal(await tokenOf(other, "k"), token);
  },
  "readers that come at once to an empty slot get one token": async (cache, other) => {
    const tokens = await Promise.all(range(20).map((index) => tokenOf(index % 2 === 0 ? cache : other, "k")));
    assert.equal(new Set(tokens).size, 1);
  },
  "a put with the token that stands lands, and every instance reads it": async (cache, other) => {
    assert.equal(await putOne(cache, "k", "x", await tokenOf(other, "k")), true);
    await assertHolds(cache, "k", "x");
    await assertHolds(other, "k", "x");
  },
  "a put that landed makes a new token": async (cache) => {
    const seen = [await tokenOf(cache, "k")];
    for (const value of ["x", "x", "y"]) {
      assert.equal(await putOne(cache, "k", value, seen.at(-1)), true);
      seen.push(await tokenOf(cache, "k"));
    }
    await fill(cache, "k", "y");
    seen.push(await tokenOf(cache, "k"));
    assert.equal(new Set(seen).size, seen.length);
  },
  "a put with a token that does not stand changes nothing": async (cache, other) => {
    const spent = await tokenOf(cache, "k");
    await putOne(cache, "k", "x", spent);
    const elsewhere = await tokenOf(cache, "elsewhere");
    for (const token of [spent, elsewhere, systemRandom.id(), ""]) {
      assert.equal(await putOne(other, "k", "y", token), false, `token ${JSON.stringify(token)}`);
      await assertHolds(cache, "k", "x");
    }
    assert.equal(await putOne(cache, "none", "y", systemRandom.id()), false, "a slot that nobody has read");
    assertEmpty(await readOne(cache, "none"), "a refused put into an empty slot");
  },
  "a put that was refused leaves the token that stands": async (cache) => {
    const token = await tokenOf(cache, "k");
    assert.equal(await putOne(cache, "k", "y", systemRandom.id()), false);
    assert.equal(await tokenOf(cache, "k"), token);
    assert.equal(await putOne(cache, "k", "x", token), true);
  },
  "of fillers that hold one token the first lands and the others do not": async (cache, other) => {
    const token = await tokenOf(cache, "k");
    const landed = await Promise.all(
      range(20).map((index) => putOne(index % 2 === 0 ? cache : other, "k", `${index}`, token)),
    );
    assert.equal(landed.filter(Boolean).length, 1);
    await assertHolds(other, "k", `${landed.indexOf(true)}`);
  },
  "a put with the token of a full slot replaces what it holds": async (cache, other) => {
    await fill(cache, "k", "x", 1_000);
    const { token } = await readOne(other, "k");
    assert.equal(await putOne(other, "k", "x", token, minute), true);
    assert.ok((await readOne(cache, "k")).expiresInMs > 1_000, "a longer life");
    assert.equal(await putOne(cache, "k", "y", token), false, "the token was spent");
  },
  "a put without a token lands whatever stands, and voids the token that stood": async (cache, other) => {
    await fill(cache, "untouched", "x");
    await assertHolds(other, "untouched", "x");
    const reserved = await tokenOf(cache, "k");
    await fill(other, "k", "x");
    assert.equal(await putOne(cache, "k", "stale", reserved), false, "a filler that a writer overtook");
    const { token } = await readOne(cache, "k");
    await fill(other, "k", "y");
    assert.equal(await putOne(cache, "k", "stale", token), false, "a revalidation that a writer overtook");
    await assertHolds(cache, "k", "y");
  },
  "of two writers without tokens the last to reach the tier wins": async (cache, other) => {
    await fill(cache, "k", "first");
    await fill(other, "k", "second");
    await assertHolds(cache, "k", "second");
    await fill(cache, "k", "first");
    await assertHolds(other, "k", "first");
  },
  "a drop voids the token of an empty slot, so that a filler it overtook puts nothing": async (cache, other) => {
    const token = await tokenOf(cache, "k");
    await other.drop(["k"]);
    assert.equal(await putOne(cache, "k", "stale", token), false);
    assertEmpty(await readOne(other, "k"), "after the drop");
  },
  "a drop removes what a slot holds and voids its token": async (cache, other) => {
    await fill(cache, "k", "x");
    const { token } = await readOne(cache, "k");
    await other.drop(["k"]);
    assertEmpty(await readOne(cache, "k"), "after the drop");
    assert.notEqual(await tokenOf(cache, "k"), token);
    assert.equal(await putOne(cache, "k", "stale", token), false);
  },
  "after a drop a filler that reads anew lands, and one that read before does not": async (cache, other) => {
    const before = await tokenOf(cache, "k");
    await cache.drop(["k"]);
    const after = await tokenOf(other, "k");
    assert.notEqual(after, before);
    assert.equal(await putOne(cache, "k", "stale", before), false);
    assert.equal(await putOne(other, "k", "x", after), true);
    assert.equal(await putOne(cache, "k", "stale", before), false);
    await assertHolds(cache, "k", "x");
  },
  "two writers and two fillers leave a value that was loaded after the last write": async (cache, other) => {
    const first = await tokenOf(cache, "k");
    await cache.drop(["k"]);
    const second = await tokenOf(other, "k");
    await other.drop(["k"]);
    assert.equal(await putOne(other, "k", "after the first write", second), false);
    assert.equal(await putOne(cache, "k", "before both", first), false);
    const third = await tokenOf(cache, "k");
    assert.equal(await putOne(cache, "k", "after both", third), true);
    await assertHolds(other, "k", "after both");
  },
  "a drop names any number of keys, and empty slots too": async (cache) => {
    const keys = range(1_000).map((index) => `k${index}`);
    await cache.put(keys.slice(0, 600).map((key) => putOf(key, "x", undefined)));
    await fill(cache, "kept", "x");
    await cache.drop([...keys, "k1", "k1"]);
    await cache.drop([]);
    for (const slot of await cache.read(keys, minute)) assertEmpty(slot, "a dropped slot");
    await assertHolds(cache, "kept", "x");
  },
  "tokens are random: no two slots or states share one": async (cache) => {
    const keys = range(300).map((index) => `k${index}`);
    const seen = new Set<string>();
    const readAll = async (): Promise<void> => {
      for (const { token } of await cache.read(keys, minute)) seen.add(token);
    };
    await readAll();
    await cache.put(keys.map((key) => putOf(key, "x", undefined)));
    await readAll();
    await cache.drop(keys);
    await readAll();
    assert.equal(seen.size, 900);
  },
  "a read answers in the order of its keys, with gaps and repetitions": async (cache) => {
    await fill(cache, "b", "of b");
    await fill(cache, "a", "of a");
    const slots = await cache.read(["a", "none", "b", "a", "none"], minute);
    assert.equal(slots.length, 5);
    const texts = slots.map(({ bytes }) => (bytes === undefined ? undefined : textOf(bytes)));
    assert.deepEqual(texts, ["of a", undefined, "of b", "of a", undefined]);
    assert.equal(slots[1]?.token, slots[4]?.token, "one token for an empty slot that was asked for twice");
    assert.equal(slots[0]?.token, slots[3]?.token, "one token for a full slot that was asked for twice");
    assert.equal(await putOne(cache, "none", "x", slots[1]?.token), true, "the token stands");
  },
  "each put of a call is answered for itself": async (cache) => {
    await fill(cache, "full", "old");
    const [a, b] = await Promise.all([tokenOf(cache, "a"), tokenOf(cache, "b")]);
    const landed = await cache.put([
      putOf("a", "1", systemRandom.id()),
      putOf("b", "2", b),
      putOf("full", "new", undefined),
      putOf("c", "4", a),
    ]);
    assert.deepEqual([...landed], [false, true, true, false]);
    assertEmpty(await readOne(cache, "a"), "a");
    await assertHolds(cache, "b", "2");
    await assertHolds(cache, "full", "new");
    assertEmpty(await readOne(cache, "c"), "c");
  },
  "a call on no keys answers with an empty list": async (cache) => {
    assert.deepEqual([...(await cache.read([], minute))], []);
    assert.deepEqual([...(await cache.put([]))], []);
    await cache.drop([]);
  },
  "a call takes a thousand keys": async (cache, other) => {
    const keys = range(1_000).map((index) => `k${index}`);
    const slots = await cache.read(keys, minute);
    const landed = await cache.put(keys.map((key, index) => putOf(key, key, slots[index]?.token)));
    assert.deepEqual([landed.length, landed.every(Boolean)], [1_000, true]);
    for (const [index, { bytes }] of (await other.read(keys, minute)).entries())
      assertBytes(bytes, bytesOf(`k${index}`), `key ${index}`);
  },
  "a call takes a signal and a time limit, also one with a fraction": async (cache) => {
    const options = unhurried();
    const slots = await cache.read(["k"], minute, options);
    assert.deepEqual([...(await cache.put([putOf("k", "x", slots[0]?.token)], options))], [true]);
    await assertHolds(cache, "k", "x");
    await cache.drop(["k"], options);
    assertEmpty(await readOne(cache, "k"), "after the drop");
    assert.equal(await cache.epoch({ expected: undefined, next: "e1" }, options), "e1");
    assert.equal(await cache.epoch(undefined, options), "e1");
  },
  "a call that was aborted or ran out of time harms no later one": async (cache, other) => {
    for (const index of range(24)) {
      const options = hurried[index % hurried.length];
      await settle([
        () => cache.read(["k", `k${index}`], minute, options),
        () => cache.put([putOf(`k${index}`, "x", undefined)], options),
        () => cache.drop(["k"], options),
        () => cache.epoch(undefined, options),
      ]);
      await fill(cache, "k", `${index}`);
      await assertHolds(other, "k", `${index}`);
    }
  },
  "bytes come back intact, from none to a mebibyte": async (cache, other) => {
    for (const [index, value] of oddValues.entries()) {
      await fill(cache, `v${index}`, value);
      assertBytes((await readOne(other, `v${index}`)).bytes, value, `value ${index}`);
    }
  },
  "every legal key is taken, and none stands for another": async (cache, other) => {
    await cache.put(oddKeys.map((key) => putOf(key, `of ${key}`, undefined)));
    for (const [index, { bytes }] of (await other.read(oddKeys, minute)).entries())
      assertBytes(bytes, bytesOf(`of ${oddKeys[index]}`), JSON.stringify(oddKeys[index]));
    await cache.drop([oddKeys[0] as string]);
    const bytes = (await other.read(oddKeys, minute)).map((slot) => slot.bytes);
    assert.equal(bytes[0], undefined);
    assert.ok(bytes.slice(1).every((one) => one !== undefined));
  },
  "changing the caller's bytes after a put changes nothing held": async (cache) => {
    const value = bytesOf("before");
    await fill(cache, "k", value);
    value.fill(0);
    await assertHolds(cache, "k", "before");
  },
  "changing bytes that were read changes nothing held": async (cache) => {
    await fill(cache, "k", "before");
    (await readOne(cache, "k")).bytes?.fill(0);
    await assertHolds(cache, "k", "before");
  },
};

const expiryCases: CaseTable<SharedCacheSubject> = {
  "the time left counts down from the time to live": async (cache, other, time) => {
    await fill(cache, "k", "x", 30_000);
    const { expiresInMs: first } = await readOne(cache, "k");
    assert.ok(first > 0 && first <= 30_000, `${first} ms left of 30 000`);
    await time.pass(100);
    const { expiresInMs: second } = await readOne(other, "k");
    assert.ok(second > 0 && second < first, `${second} ms left, ${first} ms before`);
    if (time.exact) assert.ok(Math.abs(first - second - 100) <= 1, "100 ms less after 100 ms");
  },
  "a slot is held for its time to live, years too": async (cache, _other, time) => {
    await fill(cache, "k", "x", tenYears);
    const { expiresInMs } = await readOne(cache, "k");
    assert.ok(expiresInMs > tenYears - minute && expiresInMs <= tenYears, `${expiresInMs} ms left of ten years`);
    await time.pass(time.exact ? tenYears - 1 : 20);
    await assertHolds(cache, "k", "x");
  },
  "a slot whose time is over is empty, and its token does not stand": async (cache, other, time) => {
    await fill(cache, "k", "x", 30);
    const { token } = await readOne(cache, "k");
    await outlast(time, 30);
    assertEmpty(await readOne(other, "k"), "an expired slot");
    assert.equal(await putOne(cache, "k", "stale", token), false);
    assert.notEqual(await tokenOf(cache, "k"), token);
  },
  "a slot that expired unread takes no put with its token": async (cache, _other, time) => {
    await fill(cache, "k", "x", 200);
    const { token } = await readOne(cache, "k");
    await outlast(time, 200);
    assert.equal(await putOne(cache, "k", "stale", token), false);
    assertEmpty(await readOne(cache, "k"), "an expired slot");
  },
  "a put begins a new life, shorter or longer": async (cache, _other, time) => {
    await fill(cache, "shorter", "x", minute);
    await fill(cache, "shorter", "y", 30);
    await fill(cache, "longer", "x", 30);
    await fill(cache, "longer", "y", minute);
    await fill(cache, "endless", "x", 30);
    await fill(cache, "endless", "y", Number.POSITIVE_INFINITY);
    await outlast(time, 30);
    assertEmpty(await readOne(cache, "shorter"), "a shorter life");
    await assertHolds(cache, "longer", "y");
    await assertHolds(cache, "endless", "y");
  },
  "an infinite time to live never ends, and is reported as Infinity": async (cache, other, time) => {
    await fill(cache, "k", "x", Number.POSITIVE_INFINITY);
    assert.equal((await readOne(cache, "k")).expiresInMs, Number.POSITIVE_INFINITY);
    await time.pass(time.exact ? tenYears : 20);
    await assertHolds(other, "k", "x");
    assert.equal((await readOne(other, "k")).expiresInMs, Number.POSITIVE_INFINITY);
  },
  "a time to live may have a fraction": async (cache) => {
    await fill(cache, "k", "x", 30_000.75);
    const slot = await readOne(cache, "k", 30_000.25);
    assert.ok(slot.expiresInMs > 0 && slot.expiresInMs <= 30_001);
    assertEmpty(await readOne(cache, "empty", 30_000.25), "a reserve with a fraction");
  },
  "a token left in an empty slot stands for as long as was asked": async (cache, _other, time) => {
    const token = await tokenOf(cache, "k", minute);
    await time.pass(time.exact ? minute - 1 : 20);
    assert.equal(await tokenOf(cache, "k", minute), token);
    assert.equal(await putOne(cache, "k", "x", token), true);
  },
  "a token left in an empty slot stands no longer than was asked": async (cache, _other, time) => {
    const token = await tokenOf(cache, "k", 30);
    await outlast(time, 30);
    assert.equal(await putOne(cache, "k", "stale", token), false);
    assert.notEqual(await tokenOf(cache, "k"), token);
  },
  "a reader of a full slot does not shorten its life by its reserve": async (cache, _other, time) => {
    await fill(cache, "k", "x", minute);
    await readOne(cache, "k", 20);
    await outlast(time, 20);
    await assertHolds(cache, "k", "x");
  },
};

const forgettingCases: CaseTable<SharedCacheSubject> = {
  "a put on a slot that the tier forgot fails, since its token stands no more": {
    needs: forgetting,
    check: async (cache, other, _time, { forget }) => {
      const reserved = await tokenOf(cache, "empty");
      await fill(cache, "full", "x");
      const { token } = await readOne(cache, "full");
      await forget?.("empty");
      await forget?.("full");
      assert.equal(await putOne(cache, "empty", "stale", reserved), false);
      assert.equal(await putOne(cache, "full", "stale", token), false);
      assert.notEqual(await tokenOf(other, "empty"), reserved);
      assert.notEqual(await tokenOf(other, "full"), token);
      assert.equal(await putOne(cache, "empty", "stale", reserved), false, "also once another reader reserved it");
    },
  },
  "the tier has no epoch until one is set": async (cache, other) => {
    assert.equal(await cache.epoch(), undefined);
    assert.equal(await cache.epoch({ expected: "e0", next: "e1" }), undefined, "not the one expected");
    assert.equal(await other.epoch(), undefined);
  },
  "an epoch is set where the one expected stands, and else left": async (cache, other) => {
    assert.equal(await cache.epoch({ expected: undefined, next: "e1" }), "e1");
    assert.equal(await other.epoch(), "e1");
    assert.equal(await other.epoch({ expected: undefined, next: "e2" }), "e1", "one stands already");
    assert.equal(await other.epoch({ expected: "e0", next: "e2" }), "e1", "another one stands");
    assert.equal(await other.epoch({ expected: "e1", next: "e2" }), "e2");
    assert.equal(await cache.epoch({ expected: "e1", next: "e3" }), "e2", "a second replacement of the same one");
    assert.equal(await cache.epoch(), "e2");
  },
  "of nodes that replace one epoch at once one succeeds, and all learn which stands": async (cache, other) => {
    for (const _ of range(2)) {
      const expected = await cache.epoch();
      const nexts = range(20).map(() => systemRandom.id());
      const answers = await Promise.all(
        nexts.map((next, index) => (index % 2 === 0 ? cache : other).epoch({ expected, next })),
      );
      const standing = await cache.epoch();
      assert.ok(standing !== undefined && nexts.includes(standing), "one of those offered");
      assert.deepEqual(
        answers.filter((answer) => answer !== standing),
        [],
        "an answer names another epoch",
      );
    }
  },
  "the epoch never expires and is no slot that a key could name": async (cache, other, time) => {
    await cache.epoch({ expected: undefined, next: "e1" });
    const keys = ["epoch", ":epoch", "warp:epoch", "\u0000warp:epoch", "\u0000epoch", "__epoch__"];
    for (const slot of await cache.read(keys, minute)) assertEmpty(slot, "a key like the epoch's");
    await cache.put(keys.map((key) => putOf(key, "x", undefined, 30)));
    assert.equal(await other.epoch(), "e1");
    await cache.drop(keys);
    await time.pass(time.exact ? tenYears : 20);
    assert.equal(await other.epoch(), "e1");
  },
  "traffic is no rollback, and a listener can be taken off twice": async (cache) => {
    let rollbacks = 0;
    const cancel = cache.onRollback(() => {
      rollbacks += 1;
    });
    await fill(cache, "k", "x");
    await readOne(cache, "k");
    await cache.drop(["k"]);
    await cache.epoch({ expected: undefined, next: "e1" });
    cancel();
    cancel();
    assert.equal(rollbacks, 0);
  },
  "every listener hears of a possible rollback until it is taken off": {
    needs: rollingBack,
    check: async (cache, _other, time, { rollBack }) => {
      const heard = { first: 0, second: 0 };
      const first = cache.onRollback(() => {
        heard.first += 1;
      });
      const second = cache.onRollback(() => {
        heard.second += 1;
      });
      await rollBack?.();
      await time.until("both listeners hear of the rollback", () => heard.first > 0 && heard.second > 0);
      first();
      const before = heard.first;
      const until = heard.second + 1;
      await rollBack?.();
      await time.until("the other listener hears of the second", () => heard.second >= until);
      assert.equal(heard.first, before, "a listener that was taken off");
      second();
      await fill(cache, "k", "x");
      await assertHolds(cache, "k", "x");
    },
  },
};

/** The contract of `SharedCache`. */
export const sharedCacheCases = (open: OpenSubject<SharedCacheSubject>): readonly ConformanceCase[] =>
  casesOf(open, [slotCases, expiryCases, forgettingCases]);
