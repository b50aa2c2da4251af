import { afterAll, describe, expect, it } from "@jest/globals";
import { changeFeedCases } from "@warp/conformance";
import { WarpError } from "@warp/core";
import { describeWith } from "@warp/tests-services";
import type { Client } from "pg";
import { fromPool, type PgListeningClient, PgStore } from "../src/index.ts";
import { FeedBench, Recorder } from "./feed-bench.ts";
import { deleteOf, newOperation, put, putOf, readRecord } from "./steps.ts";
import { rejectionOf, until } from "./waiting.ts";

({}) as Client satisfies PgListeningClient;

await describeWith("postgres", (url) => {
  const bench = new FeedBench(url);
  afterAll(() => bench.close());

  describe("ChangeFeed", () => {
    for (const { name, run } of changeFeedCases(async () => {
      const { table } = await bench.told();
      const [one, two] = [bench.feed(table), bench.feed(table)];
      return {
        port: { portVersion: 1, watch: (listener) => bench.watch(one, listener) },
        other: { portVersion: 1, watch: (listener) => bench.watch(two, listener) },
        change: (keys) => bench.change(table, keys),
        interrupt: async () => void (await bench.cut(table)),
      };
    }))
      it(name, async () => expect(await run()).toBe("checked"), 30_000);
  });

  /** A watched table, and what its watcher is told. */
  const watched = async (options: Parameters<FeedBench["feed"]>[1] = {}) => {
    const opened = await bench.told();
    const errors: unknown[] = [];
    const feed = bench.feed(opened.table, { onError: (error) => errors.push(error), ...options });
    const recorder = new Recorder();
    const end = await bench.watch(feed, recorder);
    /** What was told so far, once everything sent before now has arrived. */
    const settle = async (): Promise<Recorder> => {
      const mark = `mark:${newOperation()}`;
      await bench.change(opened.table, [mark]);
      await until("the mark is told", () => recorder.keys.has(mark));
      recorder.keys.delete(mark);
      return recorder;
    };
    return { ...opened, feed, recorder, end, errors, settle };
  };

  describe("what another program changes", () => {
    it("is told whichever statement changes it: INSERT, UPDATE, DELETE, COPY, MERGE, and ON CONFLICT", async () => {
      const { table, recorder, end, settle } = await watched();
      const statements: readonly (readonly [sql: string, keys: readonly string[]])[] = [
        [`INSERT INTO ${table} (key, value) VALUES ('a', 'x'), ('b', 'x')`, ["a", "b"]],
        [`UPDATE ${table} SET value = 'y' WHERE key = 'a'`, ["a"]],
        [`UPDATE ${table} SET expires_at = now() + interval '1 day' WHERE key = 'b'`, ["b"]],
        [
          `INSERT INTO ${table} (key, value) VALUES ('b', 'z'), ('c', 'z') ON CONFLICT (key) DO UPDATE SET value = 'z'`,
          ["b", "c"],
        ],
        [`DELETE FROM ${table} WHERE key IN ('a', 'b')`, ["a", "b"]],
        [`INSERT INTO ${table} (key, value) VALUES ('a', 'again')`, ["a"]],
        [`UPDATE ${table} SET value = NULL WHERE key = 'a'`, ["a"]],
        [`COPY ${table} (key, value) FROM PROGRAM 'printf "d\\tx\\ne\\tx\\n"'`, ["d", "e"]],
        [
          `MERGE INTO ${table} AS t USING (VALUES ('d'), ('f')) AS s (key) ON t.key = s.key
           WHEN MATCHED THEN UPDATE SET value = 'm' WHEN NOT MATCHED THEN INSERT (key, value) VALUES (s.key, 'm')`,
          ["d", "f"],
        ],
      ];
      for (const [sql, keys] of statements) {
        recorder.keys.clear();
        await bench.stranger.query(sql);
        expect([sql, [...(await settle()).keys].sort()]).toEqual([sql, keys]);
      }
      expect(recorder.gaps).toBe(0);
      await end();
    });

    it("is not told before it is committed, and not at all if it is rolled back", async () => {
      const { table, recorder, end, settle } = await watched();
      const connection = await bench.stranger.connect();
      for (const last of ["ROLLBACK", "COMMIT"]) {
        await connection.query("BEGIN");
        await connection.query(`INSERT INTO ${table} (key, value) VALUES ('k', 'x')`);
        expect((await settle()).keys.size).toBe(0);
        await connection.query(last);
        expect([...(await settle()).keys]).toEqual(last === "COMMIT" ? ["k"] : []);
      }
      connection.release();
      expect(recorder.gaps).toBe(0);
      await end();
    });

    it("is told in payloads of many keys, also of the longest keys there are", async () => {
      const { table, recorder, end, settle } = await watched();
      const short = Array.from({ length: 5_000 }, (_, index) => `city:${index}`);
      await bench.change(table, short);
      await settle();
      expect(recorder.keys).toEqual(new Set(short));
      expect(recorder.calls).toBeLessThan(40);
      recorder.keys.clear();
      const long = ["\u0001", "\u0000", '"', "\\", "é", "\u{1f600}", "\n"].map((sign) =>
        sign.repeat(Math.floor(1_020 / Buffer.byteLength(sign))),
      );
      await bench.change(table, [...long, ...short.slice(0, 100)]);
      expect((await settle()).keys).toEqual(new Set([...long, ...short.slice(0, 100)]));
      expect(recorder.gaps).toBe(0);
      await end();
    });

    it("is told as a gap beyond 10 000 keys in a transaction, and by TRUNCATE, at little cost to the writer", async () => {
      const { table, recorder, end, settle } = await watched();
      const everything = `INSERT INTO ${table} (key, value) SELECT 'k' || i, 'x' FROM generate_series(1, 100000) AS i`;
      await bench.stranger.query(everything);
      expect((await settle()).keys.size).toBeLessThanOrEqual(10_000);
      expect(recorder.calls).toBeLessThan(400);
      expect(recorder.gaps).toBe(1);
      // As many statements as rows, each DELETE becomes an UPDATE; what arrives together is told together all the same.
      recorder.calls = 0;
      await bench.stranger.query(`DELETE FROM ${table} WHERE key < 'k2'`);
      await settle();
      expect(recorder.calls).toBeLessThan(400);
      expect(recorder.gaps).toBe(2);
      await bench.stranger.query(`TRUNCATE ${table}`);
      await settle();
      expect(recorder.gaps).toBe(3);
      await end();
    }, 60_000);

    it("alone is told: Warp's own commits and the reaper are not", async () => {
      const { table, store, recorder, end, settle } = await watched();
      const before = await put(store, "k", "1", { ttlMs: 1 });
      await put(store, "k", "2", { ttlMs: 1 });
      await store.commit(newOperation(), [
        putOf("l", "1"),
        putOf("m", "1"),
        { kind: "check", key: "none", expected: undefined },
      ]);
      await store.commit(newOperation(), [deleteOf("l", { expected: (await readRecord(store, "l")).revision })]);
      await until("the reaper has something to do", async () => (await store.reap()).expired > 0);
      expect((await settle()).keys.size).toBe(0);
      await bench.stranger.query(`UPDATE ${table} SET value = 'x' WHERE key = 'k'`);
      expect([...(await settle()).keys]).toEqual(["k"]);
      // A row that a foreign writer wrote last is not told once more when it expires.
      await bench.stranger.query(`UPDATE ${table} SET expires_at = clock_timestamp() WHERE key = 'k'`);
      await settle();
      recorder.keys.clear();
      await until("it is reaped", async () => (await store.reap()).expired > 0);
      expect((await settle()).keys.size).toBe(0);
      expect(before.value).toBeDefined();
      expect(recorder.gaps).toBe(0);
      await end();
    });

    it("in one table is not told to those who watch another", async () => {
      const [one, two] = [await watched(), await watched()];
      await bench.change(one.table, ["k"]);
      await one.settle();
      expect((await two.settle()).keys.size).toBe(0);
      expect(one.recorder.keys).toEqual(new Set(["k"]));
      await Promise.all([one.end(), two.end()]);
    });

    it("that a later release announces in another way is told as a gap", async () => {
      const { table, recorder, end } = await watched();
      await bench.stranger.query("SELECT pg_notify($1, $2)", [`warp.public.${table}`, '{"prefix":"k"}']);
      await bench.stranger.query("SELECT pg_notify($1, $2)", [`warp.public.${table}`, "later"]);
      await until("both are told", () => recorder.gaps === 2);
      await end();
    });
  });

  describe("migrate()", () => {
    it("installs the triggers on demand, leaves them alone otherwise, and removes them", async () => {
      const table = bench.table();
      const store = await bench.store(fromPool(bench.pool(1)), { table });
      const count = async (): Promise<unknown> =>
        (await bench.stranger.query(`SELECT count(*)::int AS n FROM pg_trigger WHERE tgname LIKE '${table}_tell%'`))
          .rows[0].n;
      expect(await count()).toBe(0);
      expect(WarpError.has(await rejectionOf(bench.feed(table).watch(new Recorder())), "UNSUPPORTED")).toBe(true);
      for (const round of [1, 2]) {
        await store.migrate({ changeFeed: true });
        expect([round, await count()]).toEqual([round, 3]);
        await store.migrate();
        expect([round, await count()]).toEqual([round, 3]);
      }
      await store.migrate({ changeFeed: false });
      await store.migrate({ changeFeed: false });
      expect(await count()).toBe(0);
    });

    it("replaces the triggers of an earlier release, and leaves alone those of a later one", async () => {
      const { table, store } = await bench.told();
      const body = async (): Promise<unknown> =>
        (await bench.stranger.query(`SELECT prosrc FROM pg_proc WHERE proname = '${table}_tell'`)).rows[0].prosrc;
      const current = await body();
      for (const [version, replaced] of [
        [0, true],
        [99, false],
      ] as const) {
        await bench.stranger.query(
          `CREATE OR REPLACE FUNCTION ${table}_tell() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`,
        );
        await bench.stranger.query(`COMMENT ON FUNCTION ${table}_tell() IS 'Change feed of Warp, version ${version}'`);
        await store.migrate({ changeFeed: true });
        expect((await body()) === current).toBe(replaced);
      }
    });

    it("of many processes at once installs the triggers once", async () => {
      const table = bench.table();
      await bench.store(fromPool(bench.pool(1)), { table });
      const stores = Array.from({ length: 4 }, () => new PgStore(fromPool(bench.pool(1)), { table }));
      await Promise.all(stores.map((store) => store.migrate({ changeFeed: true })));
      const end = await bench.feed(table).watch(new Recorder());
      await end();
    });
  });

  describe("a connection that is lost", () => {
    it("is told as a gap, made again, and what was changed meanwhile comes as a second gap", async () => {
      const { table, feed, recorder, end, errors, settle } = await watched();
      expect(feed.live).toBe(true);
      expect(await bench.cut(table)).toBe(1);
      await bench.change(table, ["k"]);
      await until("both gaps are told", () => recorder.gaps === 2);
      expect(feed.live).toBe(true);
      expect(errors).toEqual([expect.objectContaining({ code: "57P01" })]);
      await bench.change(table, ["l"]);
      expect((await settle()).keys).toContain("l");
      await end();
    });

    it("is noticed by the next look if its triggers are gone, and used again once they are back", async () => {
      const { table, store, feed, recorder, end, errors, settle } = await watched({ keepAlive: 20 });
      await store.migrate({ changeFeed: false });
      await until("the gap is told", () => recorder.gaps === 1);
      await until("it is tried again", () => errors.length > 2);
      expect(feed.live).toBe(false);
      expect(errors.every((error) => WarpError.has(error, "UNSUPPORTED"))).toBe(true);
      await store.migrate({ changeFeed: true });
      await until("it is back", () => recorder.gaps === 2 && feed.live);
      await bench.change(table, ["k"]);
      expect((await settle()).keys).toContain("k");
      await end();
    });

    it("leaves nothing at the server once its watch has ended, also one that ended between two attempts", async () => {
      const { table, recorder, end } = await watched();
      await bench.cut(table);
      await until("the gap is told", () => recorder.gaps > 0);
      await end();
      const listeners = async (): Promise<number> =>
        (await bench.stranger.query("SELECT FROM pg_stat_activity WHERE application_name = $1", [bench.nameOf(table)]))
          .rowCount ?? 0;
      await until("nobody listens", async () => (await listeners()) === 0);
    });
  });

  it("watch rejects where there is no server", async () => {
    const { table } = await bench.told();
    const nowhere = bench.feed(table, {}, "postgres://postgres@127.0.0.1:1/postgres");
    expect(await rejectionOf(nowhere.watch(new Recorder()))).toMatchObject({ code: "ECONNREFUSED" });
    expect(nowhere.live).toBe(true);
  });
});
