import { afterAll, describe, expect, it } from "@jest/globals";
import { MemoryBus, MemoryNetwork, type StoredRecord, Warp } from "@warp/core";
import { sum } from "@warp/merge";
import { describeWith } from "@warp/tests-services";
import { type S3Store, ServerClock } from "../src/index.ts";
import { ObjectNames } from "../src/object-names.ts";
import { decodeBody, encodeBody, type Intent } from "../src/record-body.ts";
import { encodeTransaction, type TransactionState } from "../src/transaction-state.ts";
import type { Version } from "../src/version.ts";
import { bucketOf, StoreBench, uniquePrefix } from "./open-store.ts";
import { RawObjects } from "./raw-objects.ts";
import { conflictOf, deleteOf, listed, newOperation, put, putOf, read, rejectionOf, remove, text } from "./steps.ts";
import { until } from "./waiting.ts";

const history = { versions: 3, maxAgeMs: undefined };

await describeWith("s3", (url) => {
  const bench = new StoreBench(url);
  const client = bench.client();
  const bucket = bucketOf(url);
  afterAll(() => bench.close());

  const open = (options: Parameters<StoreBench["store"]>[0] = {}) => {
    const prefix = uniquePrefix();
    const objects = new RawObjects(client, bucket, prefix);
    return { prefix, objects, store: bench.store({ prefix, ...options }, client) };
  };

  describe("a key whose name is too long for S3", () => {
    const long = (end: string): string => `long/${"é/".repeat(300)}${end}`;

    it("is stored, kept with its past, and listed by its body, with any prefix", async () => {
      const { store } = open();
      const keys = [long("a"), long("b"), "long/", "short"];
      for (const key of keys) await put(store, key, `of ${key}`);
      await remove(store, long("c"));
      for (const key of keys) expect(text(await store.get(key))).toBe(`of ${key}`);
      const ofPrefix = (prefix: string): string[] => keys.filter((key) => key.startsWith(prefix)).sort();
      for (const prefix of ["", "long", "long/é/", long(""), long("a"), long("c")])
        expect(await listed(store, prefix)).toEqual(ofPrefix(prefix));
      const before = await put(store, long("a"), "next", { history });
      expect((await store.getAt(long("a"), before.committedAt - 1_000_000))?.value).toBeUndefined();
    });
  });

  describe("what does not belong to Warp", () => {
    it("is not listed where its name is none of a record, and is CORRUPT where it has one", async () => {
      const { store, objects } = open();
      await put(store, "k", "x");
      await objects.put("r/a b", "1234");
      await objects.put("r/!zz", "1234");
      await objects.put("else", "1234");
      await objects.put("r/broken", "not a record");
      expect((await listed(store)).filter((key) => key !== "broken")).toEqual(["k"]);
      expect(await rejectionOf(store.get("broken"))).toMatchObject({ code: "CORRUPT", key: "broken" });
      expect(await rejectionOf(store.commit(newOperation(), [putOf("broken", "x")]))).toMatchObject({
        code: "CORRUPT",
      });
    });
  });

  describe("the past", () => {
    it("is not changed by a commit that kept the version before it and then failed", async () => {
      const { store, objects } = open();
      const first = await put(store, "k", "1");
      const standing = await objects.get("r/k");
      await put(store, "k", "never committed", { history });
      // As if the writer had died between its two puts.
      await objects.put("r/k", standing);
      const reader = bench.store({ prefix: uniquePrefix() }, client);
      expect(await read(reader, "k")).toBeUndefined();
      const next = await put(store, "k", "2");
      const after = await put(store, "k", "3", { history });
      const at = (date: number): Promise<unknown> => store.getAt("k", date).then(text, (error) => error.code);
      expect(await at(after.committedAt)).toBe("3");
      // Superseded by a commit that did not ask to keep it: what the failed one wrote does not count.
      expect(await at(Math.max(first.committedAt, next.committedAt - 1))).toBe("HISTORY_UNAVAILABLE");
    });

    it("loses what its bounds do not cover, every few versions", async () => {
      const { store, objects } = open();
      for (let version = 0; version < 9; version += 1) await put(store, "k", `${version}`, { history });
      await until("the removal", async () => (await objects.names("h/")).length === history.versions);
      const [oldest = ""] = await objects.names("h/");
      expect(new TextDecoder().decode(decodeBody(await objects.get(oldest), "k").version?.value)).toBe("5");
    });

    it("loses what is past its age, but never the version that stands", async () => {
      let now = Date.UTC(2026, 0, 1);
      const { store, objects } = open({ clock: { now: () => now } });
      const aged = { versions: undefined, maxAgeMs: 1_000 };
      for (let version = 0; version < 9; version += 1) {
        await put(store, "k", `${version}`, { history: aged });
        now += 300;
      }
      await until("the removal", async () => (await objects.names("h/")).length < 8);
      const kept = await objects.names("h/");
      expect(kept.length).toBeGreaterThanOrEqual(3);
      for (let age = 600; age < 900; age += 100) expect(text(await store.getAt("k", now - age))).toBeDefined();
    });
  });

  describe("the version that stands", () => {
    it("stays among the former ones where a writer who is about to supersede it has put it there", async () => {
      let now = Date.UTC(2026, 0, 1);
      const { prefix, objects, store } = open({ clock: { now: () => now } });
      const aged = { versions: undefined, maxAgeMs: 0 };
      for (let version = 0; version < 8; version += 1) {
        await put(store, "k", `${version}`, { history: aged });
        now += 10;
      }
      const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");
      const folder = new ObjectNames(prefix).versions("k").slice(prefix.length);
      const name = `${folder}${hex(now, 12)}-${hex(now * 1_000, 14)}-8`;
      await objects.put(name, "as good as the rest");
      const { committedAt } = await put(store, "k", "8", { history: aged });
      expect(committedAt).toBe(now);
      await until("the removal", async () => (await objects.names("h/")).length <= 1);
      await put(store, "other", "x");
      expect(await objects.names("h/")).toEqual([name]);
    });
  });

  describe("a transaction's intent", () => {
    const versionOf = async (objects: RawObjects, key: string): Promise<Version> => {
      const { version } = decodeBody(await objects.get(`r/${key}`), key);
      if (version === undefined) throw new Error(`no record of ${key}`);
      return version;
    };

    /** A key that holds "old" and bears an intent to hold "new", as a writer of transactions leaves it. */
    const claim = async (
      store: S3Store,
      objects: RawObjects,
      transaction: Partial<TransactionState> | undefined,
      key = "k",
    ): Promise<{ readonly old: Version; readonly next: Version }> => {
      await put(store, key, "new");
      const next = await versionOf(objects, key);
      await put(store, key, "old");
      const old = await versionOf(objects, key);
      const header = { ...next.header, operations: ["next", ...old.header.operations], revision: "next" };
      const intent: Intent = { transaction: "tx", next: { header, value: next.value } };
      if (transaction !== undefined)
        await objects.put("t/tx", encodeTransaction({ state: "pending", deadlineMs: 0, keys: [key], ...transaction }));
      await objects.put(`r/${key}`, encodeBody({ version: old, intent }, undefined));
      return { old, next: { header, value: next.value } };
    };

    it.each([
      ["pending", { state: "pending", deadlineMs: 60_000 }, "old"],
      ["committed", { state: "committed", deadlineMs: 60_000 }, "new"],
      ["aborted", { state: "aborted", deadlineMs: 60_000 }, "old"],
    ] as const)("is read as of a transaction that is %s", async (_what, transaction, expected) => {
      const { store, objects, prefix } = open();
      const { old, next } = await claim(store, objects, transaction);
      const { revision } = (expected === "old" ? old : next).header;
      for (const reader of [store, bench.store({ prefix }, client)]) {
        expect(text(await reader.get("k"))).toBe(expected);
        // Never "unchanged": that could not say that nobody may cache it.
        for (const unless of [undefined, revision, "other"])
          expect(await reader.get("k", unless)).toMatchObject({ revision, underIntent: true });
        expect(text((await reader.getMany(["k"], ["other"]))[0])).toBe(expected);
        expect(await listed(reader)).toEqual(["k"]);
      }
      const [checked] = await store.commit(newOperation(), [{ kind: "check", key: "k", expected: revision }]);
      expect(text(checked)).toBe(expected);
    });

    it("is taken off by a reader where the transaction is gone", async () => {
      const { store, objects } = open();
      const { old } = await claim(store, objects, undefined);
      const { revision } = old.header;
      expect(await store.get("k", revision)).toMatchObject({ revision, underIntent: true });
      await until("the end of the intent", async () => (await store.get("k", revision)) === "unchanged");
      expect(decodeBody(await objects.get("r/k"), "k")).toEqual({ version: old, intent: undefined });
    });

    it("is asked about anew at every read: what was read under it is not remembered", async () => {
      const { store, objects } = open();
      const { old } = await claim(store, objects, { state: "pending", deadlineMs: 60_000 });
      expect(await store.get("k", old.header.revision)).toMatchObject({ underIntent: true });
      await objects.put("t/tx", encodeTransaction({ state: "committed", deadlineMs: 0, keys: ["k"] }));
      expect(text(await store.get("k", old.header.revision))).toBe("new");
    });

    it.each([
      ["committed", { state: "committed" }, "next"],
      ["aborted", { state: "aborted" }, "old"],
      ["gone", undefined, "old"],
      ["pending beyond its deadline", { state: "pending", deadlineMs: 0 }, "old"],
    ] as const)(
      "of a transaction that is %s is ended by the writer who meets it",
      async (_what, transaction, stood) => {
        const { store, objects } = open();
        const { old } = await claim(store, objects, transaction);
        const wrong = stood === "next" ? old.header.revision : "next";
        expect((await conflictOf(store.commit("a", [putOf("k", "x", { expected: wrong })]))).size).toBe(1);
        const expected = stood === "next" ? "next" : old.header.revision;
        const [record] = await store.commit("b", [putOf("k", "written", { expected })]);
        expect(record?.operations.slice(0, 2)).toEqual(["b", expected]);
        expect(decodeBody(await objects.get("r/k"), "k").intent).toBeUndefined();
        if (transaction?.state !== "pending") return;
        expect(JSON.parse(new TextDecoder().decode(await objects.get("t/tx"))).state).toBe("aborted");
      },
    );

    it("of a transaction within its deadline is waited for", async () => {
      const { store, objects } = open();
      await claim(store, objects, { state: "pending", deadlineMs: 60_000 });
      const commit = store.commit("a", [putOf("k", "written", { expected: "next" })]);
      await objects.put("t/tx", encodeTransaction({ state: "committed", deadlineMs: 60_000, keys: ["k"] }));
      expect(text((await commit)[0])).toBe("written");
    });

    it("keeps a writer out for no longer than its own deadline, and nothing is sent then", async () => {
      const { store, objects } = open();
      const { old } = await claim(store, objects, { state: "pending", deadlineMs: 60_000 });
      const { revision } = old.header;
      const commit = store.commit("a", [putOf("k", "x", { expected: revision })], { timeoutMs: 250 });
      expect(await rejectionOf(commit)).toMatchObject({ code: "UNAVAILABLE" });
      expect(text(await store.get("k"))).toBe("old");
    });

    it("on a key without a record leaves none where it only looked", async () => {
      const { store, objects } = open();
      await objects.put("t/tx", encodeTransaction({ state: "committed", deadlineMs: 0, keys: ["k"] }));
      await objects.put(
        "r/k",
        encodeBody({ version: undefined, intent: { transaction: "tx", next: undefined } }, undefined),
      );
      expect(await store.get("k")).toBeUndefined();
      expect(await listed(store)).toEqual([]);
      const [record] = await store.commit("a", [putOf("k", "x")]);
      expect(record?.operations).toEqual(["a"]);
      await objects.put("r/k", encodeBody({ version: undefined, intent: undefined }, undefined));
      expect(await store.get("k")).toBeUndefined();
      await store.commit("b", [putOf("k", "y")]);
      expect(text(await store.get("k"))).toBe("y");
    });

    it("of a transaction that cannot be read is CORRUPT", async () => {
      const { store, objects } = open();
      await claim(store, objects, undefined);
      for (const odd of ["?", '{"version":2}', '{"version":1,"state":"odd","deadlineMs":1,"keys":[]}']) {
        await objects.put("t/tx", odd);
        expect(await rejectionOf(store.get("k"))).toMatchObject({ code: "CORRUPT" });
      }
    });
  });

  describe("tombstones", () => {
    const day = 86_400_000;

    it("stay where deletes cannot be conditional", async () => {
      const { store, objects } = open();
      await remove(store, "k");
      expect(await store.reap()).toBe(0);
      expect(await objects.names("r/")).toEqual(["r/k"]);
    });

    it("go when they are old and date the end of nothing that is kept; before that nothing is known", async () => {
      let now = Date.now();
      const clock = { now: () => now };
      // The age of an object is the server's to tell: to whole seconds.
      const { store, objects } = open({ clock, conditionalDelete: true, landsWithin: 1, tombstoneRetention: 1_000 });
      await put(store, "value", "x");
      await put(store, "kept", "x");
      await remove(store, "kept", { history: { versions: 1, maxAgeMs: undefined } });
      const deleted = await remove(store, "deleted");
      const aged = await put(store, "aged", "x");
      now += 5;
      await remove(store, "aged", { history: { versions: undefined, maxAgeMs: 2_000 } });
      expect(await store.reap()).toBe(0);
      now += day;
      await until("the end of the tombstones", async () => {
        await store.reap();
        return (await objects.names("r/")).length === 2;
      });
      expect(await objects.names("r/")).toEqual(["r/kept", "r/value"]);
      expect(await objects.names("h/")).toHaveLength(1);
      expect(await read(store, "deleted")).toBeUndefined();
      expect(await rejectionOf(store.getAt("deleted", deleted.committedAt - 1))).toMatchObject({
        code: "HISTORY_UNAVAILABLE",
      });
      expect(await store.getAt("deleted", now)).toBeUndefined();
      const again = await put(store, "aged", "y");
      expect(again.committedAt).toBeGreaterThan(aged.committedAt);
      expect(await rejectionOf(store.getAt("aged", aged.committedAt))).toMatchObject({ code: "HISTORY_UNAVAILABLE" });
    });
  });

  describe("a tombstone whose date is ahead of the clock", () => {
    it("stays until the clock has caught up: what comes back must be dated after it", async () => {
      let now = Date.now() + 3_600_000;
      const clock = { now: () => now };
      const { store, objects } = open({ clock, conditionalDelete: true, landsWithin: 1, tombstoneRetention: 1_000 });
      await remove(store, "ahead");
      now -= 2 * 3_600_000;
      await remove(store, "due");
      now += 3_600_000;
      await until("the end of the other", async () => (await store.reap()) === 1);
      expect(await objects.names("r/")).toEqual(["r/ahead"]);
    });
  });

  describe("verify()", () => {
    it("finds that this server keeps its word on writes, and leaves nothing behind", async () => {
      const { store, objects } = open();
      await store.verify();
      expect(await objects.names()).toEqual([]);
    });

    it("finds that it does not on deletes", async () => {
      const { store, objects } = open({ conditionalDelete: true });
      expect(await rejectionOf(store.verify())).toMatchObject({
        code: "UNSUPPORTED",
        message: expect.stringContaining("ignores If-Match on deletes"),
      });
      expect(await objects.names()).toEqual([]);
    });
  });

  describe("conditions under contention", () => {
    it("20 creations at once have one winner, and 20 writers count exactly", async () => {
      const prefix = uniquePrefix();
      const stores = Array.from({ length: 4 }, () => bench.store({ prefix }));
      const of = (index: number): S3Store => stores[index % 4] as S3Store;
      const creations = await Promise.allSettled(
        Array.from({ length: 20 }, (_, index) => of(index).commit(newOperation(), [putOf("k", `${index}`)])),
      );
      expect(creations.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      await put(of(0), "n", "0");
      const count = async (store: S3Store): Promise<void> => {
        for (;;) {
          const record = await read(store, "n");
          const next = putOf("n", `${Number(text(record)) + 1}`, { expected: record?.revision });
          try {
            await store.commit(newOperation(), [next]);
            return;
          } catch (error) {
            if ((error as { code?: string }).code !== "CONFLICT") throw error;
          }
        }
      };
      await Promise.all(Array.from({ length: 20 }, (_, index) => count(of(index))));
      expect(text(await read(of(0), "n"))).toBe("20");
      const { revision } = await put(of(0), "n", "0");
      const deletions = Array.from({ length: 20 }, (_, index) =>
        of(index).commit(newOperation(), [deleteOf("n", { expected: revision })]),
      );
      expect((await Promise.allSettled(deletions)).filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    });
  });

  describe("two processes' worth of clocks", () => {
    it("agree to much less than the second that the server tells", async () => {
      const clocks = [new ServerClock(), new ServerClock()];
      const stores = clocks.map((clock) => bench.store({ clock }));
      const differences: number[] = [];
      await until("the clocks' agreement", async () => {
        await Promise.all(stores.map((store) => store.now()));
        const [one = 0, other = 0] = clocks.map((clock) => clock.now());
        differences.push(Math.abs(one - other));
        return differences.length > 20 && differences.slice(-10).every((difference) => difference < 100);
      });
      expect(Math.abs((clocks[0]?.now() ?? 0) - Date.now())).toBeLessThan(1_000);
    });
  });

  describe("Warp", () => {
    it("on two nodes over one bucket sees writes, counts merges, keeps the past, and forgets", async () => {
      const prefix = uniquePrefix();
      const network = new MemoryNetwork();
      const nodes = ["a", "b"].map((node) => {
        const store = bench.store({ prefix });
        const warp = new Warp({ node, store, bus: new MemoryBus(network) });
        warp.register("city:*", { ttl: "10m", history: { versions: 5 } });
        warp.register("views:*", { ttl: "10m", merge: sum() });
        return warp;
      });
      const [a, b] = nodes as [Warp, Warp];
      await Promise.all(nodes.map((warp) => warp.ready()));
      await a.set("city:rome", { people: 1 });
      expect(await b.get("city:rome")).toEqual({ people: 1 });
      const dated = (await bench.store({ prefix }).get("city:rome")) as StoredRecord;
      await b.set("city:rome", { people: 2 });
      await until("the news", async () => ((await a.get("city:rome")) as { people: number }).people === 2);
      await Promise.all(Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? a : b).set("views:rome", 1)));
      await until("the sum", async () => (await a.get("views:rome")) === 20 && (await b.get("views:rome")) === 20);
      expect(await b.getAt("city:rome", dated.committedAt)).toEqual({ people: 1 });
      expect(await b.delete("city:rome")).toBe(true);
      await until("the end", async () => (await a.find("city:rome")) === undefined);
      expect(await a.warmup()).toMatchObject({ loaded: 1, missing: 0, failed: 0 });
      await Promise.all(nodes.map((warp) => warp.close()));
    });
  });
});
