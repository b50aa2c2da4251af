import { afterAll, expect, it } from "@jest/globals";
import { WarpError } from "@warp/core";
import { describeWith } from "@warp/tests-services";
import { Pool } from "pg";
import { fromPool, PgStore } from "../src/index.ts";
import { describeBackends } from "./backends.ts";
import { StoreBench, uniqueTable } from "./open-store.ts";
import { newOperation, put, putOf, read, text } from "./steps.ts";
import { rejectionOf } from "./waiting.ts";

await describeBackends((open) => {
  it("a second migration changes nothing, and keeps every record", async () => {
    const { store, sql, table } = await open();
    await put(store, "k", "x");
    const shape = () =>
      sql(
        `SELECT c.relname::text, c.oid::int, c.relfilenode::int FROM pg_class AS c WHERE c.relname LIKE $1 || '%' ORDER BY 1`,
        [table],
      );
    const before = await shape();
    await store.migrate();
    expect(await shape()).toEqual(before);
    expect(text(await read(store, "k"))).toBe("x");
  });

  it("a schema that a later version of this package made is left as it is", async () => {
    const { store, sql, table } = await open();
    await sql(`UPDATE ${table}_state SET version = 999`);
    await store.migrate();
    expect(await sql(`SELECT version FROM ${table}_state`)).toEqual([{ version: 999 }]);
  });

  it("a table of the same name that is not Warp's is not touched, and nothing is left half made", async () => {
    const { client, sql } = await open();
    const table = uniqueTable();
    await sql(`CREATE TABLE ${table} (mine int)`);
    await expect(new PgStore(client, { table }).migrate()).rejects.toMatchObject({ code: "42P07" });
    expect(await sql("SELECT to_regclass($1::text)::text AS made", [`${table}_state`])).toEqual([{ made: null }]);
    await sql(`DROP TABLE ${table}`);
  });
});

await describeWith("postgres", (url) => {
  const bench = new StoreBench(url);
  afterAll(() => bench.close());

  it("migrations of one table from many connections at once all resolve", async () => {
    const table = bench.table();
    const stores = Array.from({ length: 8 }, () => new PgStore(fromPool(bench.pool(1)), { table }));
    await Promise.all(stores.map((store) => store.migrate()));
    await Promise.all(stores.map((store, index) => store.commit(newOperation(), [putOf(`k${index}`, "x")])));
    for (const store of stores) await store.close();
  });

  it("migrations into a new schema, with other names, at once, make it and work", async () => {
    const schema = uniqueTable();
    const client = fromPool(bench.pool());
    const stores = ["a", "b", "c"].map(
      (table) => new PgStore(client, { table, schema, historyTable: `${table}_past` }),
    );
    await Promise.all(stores.map((store) => store.migrate()));
    const history = { versions: undefined, maxAgeMs: undefined };
    for (const store of stores) {
      const first = await put(store, "k", "1", { history });
      await put(store, "k", "2", { history });
      expect(text(await read(store, "k"))).toBe("2");
      expect(first.committedAt).toBeGreaterThan(0);
    }
    expect(await client.query(`SELECT 1 AS one FROM ${schema}.b_past`, [])).toEqual([{ one: 1 }]);
    for (const store of stores) await store.close();
    await client.query(`DROP SCHEMA ${schema} CASCADE`, []);
  });

  it("a table is found whatever the session's search_path, and by triggers too", async () => {
    const table = bench.table();
    await bench.store(fromPool(bench.pool()), { table });
    const elsewhere = fromPool(bench.pool(1, "-c search_path=pg_catalog"));
    const store = await bench.store(elsewhere, { table });
    const history = { versions: 1, maxAgeMs: undefined };
    for (const value of ["1", "2", "3"]) await put(store, "k", value, { history });
    await elsewhere.query(`DELETE FROM public.${table}`, []);
    expect((await read(store, "k"))?.operations).toHaveLength(4);
  });

  it("a database in another encoding than UTF8 is UNSUPPORTED", async () => {
    const database = uniqueTable();
    const admin = fromPool(bench.pool(1));
    await admin.query(
      `CREATE DATABASE ${database} ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`,
      [],
    );
    const other = new URL(url);
    other.pathname = `/${database}`;
    const pool = new Pool({ connectionString: other.href, max: 1 });
    const error = await rejectionOf(new PgStore(fromPool(pool)).migrate());
    expect(WarpError.has(error, "UNSUPPORTED") && error.message).toContain("SQL_ASCII");
    await pool.end();
    await admin.query(`DROP DATABASE ${database}`, []);
  });
});
