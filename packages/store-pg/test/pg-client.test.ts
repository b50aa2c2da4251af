import { describe, expect, it } from "@jest/globals";
import type { StoredRecord } from "@warp/core";
import { WarpError } from "@warp/core";
import { fromPglite, fromPool, type PgPool, type PgPoolClient, type PgPrepared, PgStore } from "../src/index.ts";
import { rejectionOf } from "./waiting.ts";

type Reply = readonly Record<string, unknown>[] | Error;

/** A pool of one connection that notes what it is sent and answers as `reply` says. */
const scripted = (reply: (text: string) => Reply) => {
  const sent: string[] = [];
  const released: (boolean | undefined)[] = [];
  const listeners = new Set<unknown>();
  const query = async (query: string | PgPrepared): Promise<{ rows: readonly unknown[] }> => {
    const text = typeof query === "string" ? query : query.text;
    sent.push(text);
    const rows = reply(text);
    if (rows instanceof Error) throw rows;
    return { rows };
  };
  const client: PgPoolClient = {
    query,
    release: (destroy) => released.push(destroy),
    on: (_, listener) => listeners.add(listener),
    removeListener: (_, listener) => listeners.delete(listener),
  };
  const pool: PgPool = { connect: async () => client };
  return { pool, sent, released, listeners };
};

const failure = (code: string): Error => Object.assign(new Error(`failed with ${code}`), { code });

const put = (key: string) => ({
  kind: "put" as const,
  key,
  value: new Uint8Array(1),
  expected: undefined,
  timestamp: { micros: 1, node: "n" },
  history: undefined,
  ttlMs: undefined,
});

const row = (key: string) => ({
  key,
  revision: "r",
  micros: 1,
  node: "n",
  committed_at: 1,
  operations: ["r"],
  expires_at: null,
});

const bothKeys = (text: string): Reply => (text.includes("INSERT") ? [row("a"), row("b")] : []);

const commitTwo = (pool: PgPool): Promise<readonly (StoredRecord | undefined)[]> =>
  new PgStore(fromPool(pool), { reapEvery: Number.POSITIVE_INFINITY }).commit("r", [put("a"), put("b")]);

describe("a client made from a pool", () => {
  it("sends a commit that only creates as one statement in a transaction, and gives the connection back", async () => {
    const { pool, sent, released, listeners } = scripted(bothKeys);
    expect(await commitTwo(pool)).toHaveLength(2);
    expect(sent[0]).toBe(
      "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = 1667; " +
        "SET LOCAL lock_timeout = 1667; SET LOCAL idle_in_transaction_session_timeout = 1667",
    );
    expect(sent).toHaveLength(3);
    expect(sent[2]).toBe("COMMIT");
    expect(released).toEqual([false]);
    expect(listeners.size).toBe(0);
  });

  it("rolls back what failed before COMMIT, which then certainly did not happen", async () => {
    const { pool, sent, released } = scripted((text) => (text.includes("INSERT") ? failure("XX000") : []));
    const error = await rejectionOf(commitTwo(pool));
    expect(WarpError.has(error, "UNAVAILABLE") && error.cause).toMatchObject({ code: "XX000" });
    expect(sent.at(-1)).toBe("ROLLBACK");
    expect(released).toEqual([false]);
  });

  it("destroys a connection that cannot even roll back", async () => {
    const lost = (text: string): Reply => (text.startsWith("BEGIN") ? [] : failure("ECONNRESET"));
    const { pool, released } = scripted(lost);
    expect(WarpError.has(await rejectionOf(commitTwo(pool)), "UNAVAILABLE")).toBe(true);
    expect(released).toEqual([true]);
  });

  it("hands on as it is what went wrong with COMMIT itself: the outcome is unknown", async () => {
    const { pool } = scripted((text) => (text === "COMMIT" ? failure("ECONNRESET") : bothKeys(text)));
    expect(await rejectionOf(commitTwo(pool))).toMatchObject({ code: "ECONNRESET" });
  });

  it("takes the server's no to COMMIT for a no", async () => {
    const { pool } = scripted((text) => (text === "COMMIT" ? failure("40001") : bothKeys(text)));
    expect(WarpError.has(await rejectionOf(commitTwo(pool)), "UNAVAILABLE")).toBe(true);
  });

  it("tells a refusal of a single statement from an unknown outcome", async () => {
    const commitOne = (code: string): Promise<unknown> => {
      const store = new PgStore(fromPool(scripted(() => failure(code)).pool), { reapEvery: Number.POSITIVE_INFINITY });
      return rejectionOf(store.commit("r", [put("a")]));
    };
    const refused =
      "09000 0A000 20000 21000 22021 23505 25006 25P02 25P03 27000 28P01 2D000 3D000 3F000 40001 40002 40P01 42501 42P01 44000 53100 53200 53300 54000 55P03 57014 72000 P0001 P0004";
    for (const code of refused.split(" "))
      expect([code, WarpError.has(await commitOne(code), "UNAVAILABLE")]).toEqual([code, true]);
    const unknown =
      "03000 08000 08003 08006 08007 08P01 40003 57000 57P01 57P02 57P03 57P04 57P05 58000 58030 58P01 XX000 XX001 ECONNRESET EPIPE ETIMEDOUT";
    for (const code of unknown.split(" ")) expect([code, WarpError.is(await commitOne(code))]).toEqual([code, false]);
  });

  it("keeps a connection that was told no, and destroys one that may be broken", async () => {
    for (const [code, destroyed] of [
      ["42P01", false],
      ["40001", false],
      ["25006", true],
      ["25P03", true],
      ["57P01", true],
      ["ECONNRESET", true],
    ] as const) {
      const severity = code === "25P03" ? "FATAL" : "ERROR";
      const { pool, released, listeners } = scripted(() => Object.assign(failure(code), { severity }));
      await rejectionOf(fromPool(pool).query("SELECT $1::int", [1]));
      expect(released).toEqual([destroyed]);
      expect(listeners.size).toBe(0);
    }
  });

  it("says UNAVAILABLE where no connection is to be had: nothing was sent", async () => {
    const pool: PgPool = { connect: () => Promise.reject(new Error("timeout exceeded when trying to connect")) };
    const store = new PgStore(fromPool(pool), { reapEvery: Number.POSITIVE_INFINITY });
    for (const attempt of [store.get("a"), store.commit("r", [put("a")]), commitTwo(pool)])
      expect(WarpError.has(await rejectionOf(attempt), "UNAVAILABLE")).toBe(true);
  });

  it("names a prepared statement by its text, and prepares nothing that takes no values", async () => {
    const queries: unknown[] = [];
    const { pool } = scripted(() => []);
    const connection = await pool.connect();
    const noting: PgPool = {
      connect: async () => ({
        ...connection,
        query: async (query) => {
          queries.push(query);
          return { rows: [] };
        },
      }),
    };
    const client = fromPool(noting, { statements: "prepared" });
    await client.query("SELECT $1::int", [1]);
    await client.query("SELECT $1::int", [2]);
    await client.query("SELECT 1", []);
    const name = expect.stringMatching(/^warp_[0-9a-f]{32}$/);
    expect(queries).toEqual([{ name, text: "SELECT $1::int" }, { name, text: "SELECT $1::int" }, "SELECT 1"]);
    expect(queries[0]).toEqual(queries[1]);
  });

  it("says of a missing table what to do", async () => {
    const store = new PgStore(fromPool(scripted(() => failure("42P01")).pool));
    expect(await rejectionOf(store.commit("r", [put("a")]))).toMatchObject({
      message: expect.stringContaining("migrate()"),
    });
    await store.close();
  });
});

describe("how many rows a statement wrote", () => {
  it("is what the client says, whichever name it has for it", async () => {
    for (const [said, count] of [
      [{ rowCount: 1 }, 1],
      [{ rowCount: 0 }, 0],
      [{ rowCount: null, affectedRows: 2 }, 2],
      [{ affectedRows: 0 }, 0],
    ] as const) {
      const answer = async () => ({ rows: [], ...said });
      const client = fromPglite({ query: answer, transaction: (run) => run({ query: answer }) });
      await expect(client.write("UPDATE", [])).resolves.toBe(count);
      await expect(client.transaction((transaction) => transaction.write("UPDATE", []))).resolves.toBe(count);
    }
  });

  it("is not taken for none where the client does not say: the statement may have taken effect", async () => {
    const { pool, sent } = scripted(() => []);
    const error = await rejectionOf(fromPool(pool).write("UPDATE t SET v = $1", [1]));
    expect(WarpError.is(error)).toBe(false);
    expect(error).toMatchObject({ message: expect.stringContaining("does not say how many rows") });
    expect(sent).toEqual(["UPDATE t SET v = $1"]);
  });
});

describe("a client made from PGlite", () => {
  it("lets timers fire while statements follow each other without a pause", async () => {
    const answer = async () => ({ rows: [] });
    const client = fromPglite({ query: answer, transaction: (run) => run({ query: answer }) });
    let fired = false;
    setTimeout(() => {
      fired = true;
    }, 0);
    let statements = 0;
    while (!fired && statements < 100_000) {
      await client.transaction((transaction) => transaction.query("SELECT 1", []));
      await client.query("SELECT 1", []);
      statements++;
    }
    expect(statements).toBeLessThan(100_000);
  });
});
