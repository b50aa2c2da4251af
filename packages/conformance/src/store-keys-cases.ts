import assert from "node:assert/strict";
import { assertSameMembers } from "./assertions.ts";
import type { CaseTable } from "./case.ts";
import { oddKeys, range } from "./samples.ts";
import { listKeys, put, putAll, read, readRecord, remove } from "./store-steps.ts";
import type { StoreSubject } from "./store-subject.ts";

const manyKeys = range(1_200).map((index) => `many:${index}`);

/** Prefixes with signs that mean something to SQL, globs or regular expressions, and keys they must not match. */
const literalPrefixes: readonly { readonly prefix: string; readonly alike: string }[] = [
  { prefix: "a%", alike: "ab" },
  { prefix: "a_", alike: "ab" },
  { prefix: "a*", alike: "ab" },
  { prefix: "a?", alike: "ab" },
  { prefix: "a.", alike: "ab" },
  { prefix: "[ab]", alike: "a" },
  { prefix: "a\\", alike: "a%" },
  { prefix: "\\%", alike: "%" },
  { prefix: "^a", alike: "a" },
  { prefix: "(a|b)", alike: "a" },
  { prefix: "a'", alike: "a" },
  { prefix: "A", alike: "a" },
  { prefix: "é", alike: "e\u0301" },
  { prefix: "\u0000", alike: "a" },
  { prefix: "a\u0000", alike: "a" },
  { prefix: "\u{1f600}", alike: "\u{1f601}" },
  { prefix: "\u{10ffff}", alike: "\uffff" },
  { prefix: "\uffff", alike: "\u{10000}" },
];

/** What `keys(prefix)` lists. */
export const storeKeysCases: CaseTable<StoreSubject> = {
  "keys lists every key with a live value once, and neither tombstones nor expired values": async (
    store,
    other,
    time,
  ) => {
    for (const key of ["p:live", "p:rewritten", "p:deleted", "p:back", "p:expiring", "p:expired", "q:live"])
      await put(store, key, "1", key === "p:expired" ? { ttlMs: 20 } : {});
    await put(store, "p:rewritten", "2");
    await remove(store, "p:deleted");
    await remove(store, "p:never written");
    await remove(store, "p:back");
    await put(store, "p:back", "2");
    await put(store, "p:expiring", "2", { ttlMs: 600_000 });
    await time.pass(20);
    await time.until("the expiry", async () => (await readRecord(store, "p:expired")).value === undefined);
    for (const instance of [store, other]) {
      assertSameMembers(await listKeys(instance, "p:"), ["p:live", "p:rewritten", "p:back", "p:expiring"], "p:");
      assertSameMembers(await listKeys(instance, "q:live"), ["q:live"], "the key itself as prefix");
      assert.deepEqual(await listKeys(instance, "none"), []);
    }
  },
  "a key that was only looked at is not listed": async (store) => {
    assert.equal(await read(store, "k"), undefined);
    await store.getMany(["k", "l"]);
    await store.commit("AAAAAAAAAAAAAAAAAAAAAA", [{ kind: "check", key: "k", expected: undefined }]);
    assert.deepEqual(await listKeys(store, ""), []);
  },
  "keys of the empty prefix lists every legal key as it was given": async (store, other) => {
    await putAll(store, oddKeys, "x");
    assertSameMembers(await listKeys(other, ""), oddKeys, "every key");
  },
  "keys takes its prefix literally, whatever signs are in it": async (store) => {
    const all = new Set(literalPrefixes.flatMap(({ prefix, alike }) => [`${prefix.replace("*", "x")}1`, `${alike}1`]));
    await putAll(store, [...all], "x");
    for (const { prefix } of literalPrefixes) {
      const expected = [...all].filter((key) => key.startsWith(prefix));
      assertSameMembers(await listKeys(store, prefix), expected, `prefix ${JSON.stringify(prefix)}`);
    }
  },
  "keys lists more than a thousand keys, each once": async (store) => {
    await putAll(store, ["many", "manz", "many;", "man"], "x");
    await putAll(store, manyKeys, "x");
    assertSameMembers(await listKeys(store, "many:"), manyKeys, "many:");
  },
  "a walk over keys can be abandoned midway, again and again": async (store) => {
    await putAll(store, manyKeys, "x");
    for (const _ of range(30)) {
      let seen = 0;
      for await (const key of store.keys("many:")) {
        assert.ok(key.startsWith("many:"));
        seen += 1;
        if (seen === 3) break;
      }
      assert.equal(seen, 3);
    }
    await put(store, "after", "x");
    assert.deepEqual(await listKeys(store, "after"), ["after"]);
  },
  "the store answers while a walk over keys is under way": async (store, other) => {
    await putAll(store, manyKeys, "x");
    const seen: string[] = [];
    for await (const key of store.keys("many:")) {
      seen.push(key);
      if (seen.length % 400 !== 1) continue;
      await put(store, "aside", "x");
      await readRecord(store, "aside");
      assert.deepEqual(await listKeys(store, "aside"), ["aside"]);
    }
    assertSameMembers(seen, manyKeys, "the walk that was interrupted");
    assertSameMembers(await listKeys(other, "many:"), manyKeys, "the other instance");
  },
  "a walk over keys lists each key that is live throughout once, whatever others write meanwhile": async (
    store,
    other,
  ) => {
    await putAll(store, manyKeys, "x");
    const seen: string[] = [];
    for await (const key of store.keys("many:")) {
      seen.push(key);
      if (seen.length % 300 !== 1) continue;
      await put(other, "many:0", `again ${seen.length}`);
      await put(other, "many:1199", `again ${seen.length}`);
      await remove(other, `many:gone ${seen.length}`);
    }
    assertSameMembers(seen, manyKeys, "many:");
  },
};
