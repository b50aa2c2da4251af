import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { conflictsOf, WarpError } from "@warp/core";
import { describeWith } from "@warp/tests-services";
import type { Pool, PoolClient } from "pg";
import { fromPool, type PgClient, type PgPool, type PgPrepared, PgStore } from "../src/index.ts";
import { StoreBench } from "./open-store.ts";
import { deleteOf, newOperation, put, putOf, read, readRecord, text } from "./steps.ts";
import { lockWaiters, rejectionOf, until, untilWaiting } from "./waiting.ts";

const never = Number.POSITIVE_INFINITY;

await describeWith("postgres", (url) => {
  const bench = new StoreBench(url);
  let table: string;
  let client: PgClient;
  let store: PgStore;
  /** A connection of somebody else. */
  let stranger: PoolClient;
  let strangers: Pool;

  /** A store on the same table whose sessions have these settings. */
  const storeWith = (settings: string): PgStore =>
    new PgStore(fromPool(bench.pool(2, settings)), { table, reapEvery: never });

  beforeAll(async () => {
    table = bench.table();
    client = fromPool(bench.pool());
    store = await bench.store(client, { table });
    strangers = bench.pool();
    stranger = await strangers.connect();
  });
  afterAll(async () => {
    stranger.release();
    await bench.close();
  });

  /** Somebody else's lock on `key` for as long as `run` takes. */
  const whileLocked = async <T>(key: string, run: () => Promise<T>, end = "ROLLBACK"): Promise<T> => {
    await stranger.query("BEGIN");
    await stranger.query(`SELECT FROM ${table} WHERE key = $1 FOR UPDATE`, [key]);
    try {
      return await run();
    } finally {
      await stranger.query(end);
    }
  };

  describe("a commit that meets another writer's lock", () => {
    it("waits for it, and lands once it is let go", async () => {
      const before = await put(store, "wait", "1");
      const other = await put(store, "wait:other", "1");
      const [one, many] = await whileLocked("wait", async () => {
        const commits = [
          store.commit(newOperation(), [putOf("wait", "2", { expected: before.revision })]),
          store.commit(newOperation(), [
            { kind: "check", key: "wait", expected: newOperation() },
            putOf("wait:other", "2", { expected: other.revision }),
          ]),
        ] as const;
        await untilWaiting(client, table, 2);
        return [commits[0], rejectionOf(commits[1])] as const;
      });
      await one;
      expect(conflictsOf(await many)?.has("wait")).toBe(true);
      expect(text(await read(store, "wait"))).toBe("2");
      expect(text(await read(store, "wait:other"))).toBe("1");
    });

    it("loses if the row has changed by then, and is told what stands", async () => {
      for (const also of [[], [putOf("overtaken:other", "x")]]) {
        const before = await put(store, "overtaken", "1");
        const commit = await whileLocked(
          "overtaken",
          async () => {
            await stranger.query(`UPDATE ${table} SET value = 'foreign' WHERE key = 'overtaken'`);
            const pending = store.commit(newOperation(), [
              putOf("overtaken", "2", { expected: before.revision }),
              ...also,
            ]);
            await untilWaiting(client, table);
            return [rejectionOf(pending)];
          },
          "COMMIT",
        );
        const conflicts = conflictsOf(await commit[0]);
        expect([...(conflicts?.keys() ?? [])]).toEqual(["overtaken"]);
        expect(text(conflicts?.get("overtaken"))).toBe("foreign");
        expect(await read(store, "overtaken:other")).toBeUndefined();
      }
    });

    it("gives up at its deadline, at the server, and has changed nothing", async () => {
      const before = await put(store, "deadline", "1");
      await whileLocked("deadline", async () => {
        const write = putOf("deadline", "2", { expected: before.revision });
        for (const mutations of [[write], [write, putOf("deadline:other", "2")]]) {
          const error = await rejectionOf(store.commit(newOperation(), mutations, { timeoutMs: 60 }));
          expect(WarpError.has(error, "UNAVAILABLE") && error.port).toBe("store");
          expect(["55P03", "57014"]).toContain(((error as Error).cause as { code: string }).code);
        }
        expect(await lockWaiters(client, table)).toEqual([]);
      });
      expect(await readRecord(store, "deadline")).toEqual(before);
      expect(await read(store, "deadline:other")).toBeUndefined();
    });

    it("leaves the settings of its session as they were", async () => {
      const pool = bench.pool(1);
      const single = new PgStore(fromPool(pool), { table, reapEvery: never });
      await single.commit(newOperation(), [putOf("settings", "1")], { timeoutMs: 77 });
      await single.commit(newOperation(), [putOf("settings:a", "1"), putOf("settings:b", "1")], { timeoutMs: 77 });
      const names = ["lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"];
      for (const name of names) expect((await pool.query(`SHOW ${name}`)).rows[0][name]).toBe("0");
    });

    it("is refused, and told so, when the session's own statement timeout is shorter", async () => {
      const impatient = storeWith("-c statement_timeout=60ms");
      const before = await put(store, "statement", "1");
      await whileLocked("statement", async () => {
        const error = await rejectionOf(
          impatient.commit(newOperation(), [putOf("statement", "2", { expected: before.revision })]),
        );
        expect(WarpError.has(error, "UNAVAILABLE") && error.cause).toMatchObject({ code: "57014" });
      });
      expect(text(await read(store, "statement"))).toBe("1");
    });

    it("does not hold up reads", async () => {
      await put(store, "read", "1");
      await whileLocked("read", async () => {
        await stranger.query(`UPDATE ${table} SET value = 'uncommitted' WHERE key = 'read'`);
        expect(text(await read(store, "read"))).toBe("1");
        expect((await store.getMany(["read"])).map(text)).toEqual(["1"]);
      });
    });
  });

  describe("a commit that PostgreSQL refuses", () => {
    it("for a serialization failure is sent again under the same id, and lands", async () => {
      const strict = storeWith("-c default_transaction_isolation=serializable");
      const before = await put(store, "serial", "1");
      const operation = newOperation();
      const pending = await whileLocked(
        "serial",
        async () => {
          // Changes the row, but not what the commit is conditional on.
          await stranger.query(`UPDATE ${table} SET node = 'x', micros = micros + 1 WHERE key = 'serial'`);
          const commit = strict.commit(operation, [putOf("serial", "2", { expected: before.revision })]);
          await untilWaiting(client, table);
          return [commit];
        },
        "COMMIT",
      );
      expect((await pending[0])?.[0]?.revision).toBe(operation);
      expect((await readRecord(store, "serial")).operations).toEqual([operation, ...before.operations]);
    });

    it("is READ COMMITTED with several keys, whatever the session's default", async () => {
      const strict = storeWith("-c default_transaction_isolation=serializable");
      const [a, b] = [await put(store, "rc:a", "1"), await put(store, "rc:b", "1")];
      const pending = await whileLocked(
        "rc:a",
        async () => {
          await stranger.query(`UPDATE ${table} SET node = 'x', micros = micros + 1 WHERE key = 'rc:a'`);
          const commit = strict.commit(newOperation(), [
            putOf("rc:a", "2", { expected: a.revision }),
            putOf("rc:b", "2", { expected: b.revision }),
          ]);
          await untilWaiting(client, table);
          return [commit];
        },
        "COMMIT",
      );
      expect(await pending[0]).toHaveLength(2);
    });

    it("as the victim of a deadlock with a foreign transaction is sent again, and lands once that is over", async () => {
      const victim = storeWith("-c deadlock_timeout=20ms");
      const [a, b] = [await put(store, "dead:a", "1"), await put(store, "dead:b", "1")];
      await stranger.query("SET deadlock_timeout = '1min'");
      const pending = await whileLocked("dead:b", async () => {
        const commit = victim.commit(newOperation(), [
          putOf("dead:a", "2", { expected: a.revision }),
          putOf("dead:b", "2", { expected: b.revision }),
        ]);
        await untilWaiting(client, table);
        // Waits for the commit's lock on dead:a, until the commit gives up.
        await stranger.query(`SELECT FROM ${table} WHERE key = 'dead:a' FOR UPDATE`);
        return [commit];
      });
      await stranger.query("RESET deadlock_timeout");
      expect(await pending[0]).toHaveLength(2);
      expect((await store.getMany(["dead:a", "dead:b"])).map(text)).toEqual(["2", "2"]);
    });

    it("for want of a free connection was never sent, and is not sent later", async () => {
      for (const connectionTimeoutMillis of [1_000, 0]) {
        const pool = bench.pool(1, "", { connectionTimeoutMillis });
        const small = new PgStore(fromPool(pool), { table, landsWithin: "1s", reapEvery: never });
        const taken = await pool.connect();
        const key = `pool:${connectionTimeoutMillis}`;
        const gaveUp = new AbortController();
        const commits = [[putOf(key, "1")], [putOf(key, "1"), putOf(`${key}:other`, "1")]].map((mutations) =>
          rejectionOf(small.commit(newOperation(), mutations, { timeoutMs: 100, signal: gaveUp.signal })),
        );
        if (connectionTimeoutMillis > 0) await Promise.all(commits);
        // As core does at its deadline: it draws its conclusions from what the store declares.
        gaveUp.abort();
        taken.release();
        for (const error of await Promise.all(commits)) expect(WarpError.has(error, "UNAVAILABLE")).toBe(true);
        expect(await store.getMany([key, `${key}:other`])).toEqual([undefined, undefined]);
        await put(small, key, "1");
      }
    });

    it("because the server takes no writes changed nothing, and the next goes by another connection", async () => {
      const pool = bench.pool(1);
      const demoted = new PgStore(fromPool(pool), { table, reapEvery: never });
      for (const mutations of [[putOf("standby:1", "1")], [putOf("standby:2", "1"), putOf("standby:3", "1")]]) {
        // What this connection leads to has become a standby.
        await pool.query("SET default_transaction_read_only = on");
        const error = await rejectionOf(demoted.commit(newOperation(), mutations));
        expect(WarpError.has(error, "UNAVAILABLE") && error.cause).toMatchObject({ code: "25006" });
        expect((error as Error).message).toContain("standby");
        await demoted.commit(newOperation(), mutations);
      }
    });
  });

  describe("two writers", () => {
    it("that create, replace, check and delete the same keys in opposite orders never deadlock", async () => {
      const others = new PgStore(fromPool(bench.pool(6)), { table, reapEvery: never });
      const mine = new PgStore(fromPool(bench.pool(6)), { table, reapEvery: never });
      const keys = Array.from({ length: 24 }, (_, index) => `mix:${index}`);
      let [landed, lost] = [0, 0];
      const attempt = async (writer: PgStore, round: number): Promise<void> => {
        const order = keys.filter((_, index) => (index * 7 + round) % 3 !== 0);
        if (round % 2 === 1) order.reverse();
        const found = await writer.getMany(order);
        const mutations = order.map((key, index) => {
          const record = found[index];
          const expected = record === undefined || record === "unchanged" ? undefined : record.revision;
          if ((index + round) % 5 === 0) return { kind: "check" as const, key, expected };
          return (index + round) % 4 === 0 ? deleteOf(key, { expected }) : putOf(key, `${round}`, { expected });
        });
        try {
          await writer.commit(newOperation(), mutations);
          landed += 1;
        } catch (error) {
          if (conflictsOf(error) === undefined) throw error;
          lost += 1;
        }
      };
      for (let wave = 0; wave < 10; wave += 1)
        await Promise.all(Array.from({ length: 12 }, (_, n) => attempt(n % 2 === 0 ? mine : others, wave * 12 + n)));
      expect(landed + lost).toBe(120);
      expect(landed).toBeGreaterThanOrEqual(10);
      const placeholders = await client.query(`SELECT key FROM ${table} WHERE micros = 0`, []);
      expect(placeholders).toEqual([]);
    });

    it("with a thousand keys each, half of them common, leave the work of one of them on each", async () => {
      const others = new PgStore(fromPool(bench.pool()), { table, reapEvery: never });
      const keys = Array.from({ length: 1_500 }, (_, index) => `big:${index}`);
      const commit = (writer: PgStore, part: readonly string[], name: string): Promise<unknown> =>
        writer.commit(
          newOperation(),
          part.map((key) => putOf(key, name)),
        );
      const outcomes = await Promise.allSettled([
        commit(store, keys.slice(0, 1_000), "a"),
        commit(others, keys.slice(500).reverse(), "b"),
      ]);
      expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      const lost = outcomes.find((outcome) => outcome.status === "rejected");
      expect(conflictsOf(lost?.reason)?.size).toBe(500);
      const values = (await store.getMany(keys)).map(text);
      expect(new Set(values.filter((value) => value !== undefined)).size).toBe(1);
      expect(values.filter((value) => value !== undefined)).toHaveLength(1_000);
    });
  });

  describe("a connection that is lost", () => {
    const terminate = async (): Promise<void> => {
      await untilWaiting(client, table);
      const [pid] = await lockWaiters(client, table);
      await client.query("SELECT pg_terminate_backend($1::int)", [pid]);
    };

    it("in a single statement leaves an outcome that can be read back, and the same attempt can be sent again", async () => {
      const before = await put(store, "lost", "1");
      const operation = newOperation();
      const attempt = [putOf("lost", "2", { expected: before.revision })];
      const error = await whileLocked("lost", async () => {
        const rejection = rejectionOf(store.commit(operation, attempt));
        await terminate();
        return await rejection;
      });
      // Not a WarpError: nothing in what the client saw says whether it landed.
      expect(WarpError.is(error)).toBe(false);
      const found = await readRecord(store, "lost");
      expect(found.revision).toBe(before.revision);
      expect(found.operations).not.toContain(operation);
      await store.commit(operation, attempt);
      const again = await rejectionOf(store.commit(operation, attempt));
      expect(
        conflictsOf(again)
          ?.get("lost")
          ?.operations.filter((id) => id === operation),
      ).toHaveLength(1);
    });

    it("before COMMIT was sent means that nothing happened", async () => {
      const before = await put(store, "lost:a", "1");
      const error = await whileLocked("lost:a", async () => {
        const rejection = rejectionOf(
          store.commit(newOperation(), [putOf("lost:a", "2", { expected: before.revision }), putOf("lost:b", "2")]),
        );
        await terminate();
        return await rejection;
      });
      expect(WarpError.has(error, "UNAVAILABLE")).toBe(true);
      expect(await read(store, "lost:b")).toBeUndefined();
      expect(text(await read(store, "lost:a"))).toBe("1");
    });

    it("after the server took COMMIT leaves the operation's id in every record of it", async () => {
      const pool = bench.pool();
      const deaf: PgPool = {
        connect: async () => {
          const connection = await pool.connect();
          const query = connection.query.bind(connection) as (
            sql: string | PgPrepared,
            values?: unknown[],
          ) => Promise<never>;
          return Object.assign(Object.create(connection) as PoolClient, {
            query: async (sql: string | PgPrepared, values?: unknown[]) => {
              const result = await query(sql, values);
              if (sql === "COMMIT") throw Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" });
              return result;
            },
          });
        },
      };
      const unlucky = new PgStore(fromPool(deaf), { table, reapEvery: never });
      const operation = newOperation();
      const error = await rejectionOf(unlucky.commit(operation, [putOf("reply:a", "1"), putOf("reply:b", "1")]));
      expect(WarpError.is(error)).toBe(false);
      for (const key of ["reply:a", "reply:b"]) expect((await readRecord(store, key)).operations[0]).toBe(operation);
    });

    it("by a client that froze inside a transaction is ended by the server, and its locks with it", async () => {
      const before = await put(store, "frozen", "1");
      let pid: unknown;
      const frozen = rejectionOf(
        fromPool(bench.pool()).transaction(
          async (transaction) => {
            const [row] = await transaction.query(
              `SELECT pg_backend_pid() AS pid FROM ${table} WHERE key = 'frozen' FOR UPDATE`,
              [],
            );
            pid = row?.pid;
            await until("the server to end it", async () => {
              const alive = await client.query("SELECT 1 FROM pg_stat_activity WHERE pid = $1::int", [pid]);
              return alive.length === 0;
            });
          },
          { timeoutMs: 100 },
        ),
      );
      await store.commit(newOperation(), [putOf("frozen", "2", { expected: before.revision })]);
      expect(await frozen).toBeInstanceOf(Object);
      expect(text(await read(store, "frozen"))).toBe("2");
    });
  });
});
