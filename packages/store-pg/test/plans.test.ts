import { afterAll, beforeAll, expect, it } from "@jest/globals";
import { describeWith } from "@warp/tests-services";
import { fromPool, type PgClient } from "../src/index.ts";
import { namesOf } from "../src/names.ts";
import { readStatementsOf } from "../src/read-statements.ts";
import { reapStatementsOf } from "../src/reaper.ts";
import { writeStatementsOf } from "../src/write-statements.ts";
import { StoreBench } from "./open-store.ts";

await describeWith("postgres", (url) => {
  const bench = new StoreBench(url);
  const table = bench.table();
  const names = namesOf("public", table, `${table}_history`);
  const reads = readStatementsOf(names);
  const writes = writeStatementsOf(names);
  const reaps = reapStatementsOf(names);
  let client: PgClient;

  beforeAll(async () => {
    client = fromPool(bench.pool(1));
    await bench.store(client, { table });
    // Values, most of them without an expiry, then tombstones, then a past.
    await client.query(
      `INSERT INTO ${table} (key, value, expires_at)
       SELECT 'city:' || i, 'x', CASE WHEN i % 100 = 0 THEN now() + interval '1 day' END FROM generate_series(1, 20000) AS i`,
      [],
    );
    await client.query(`UPDATE ${table} SET history = true, history_max_age = 86400000 WHERE key LIKE 'city:1%'`, []);
    await client.query(`DELETE FROM ${table} WHERE key LIKE 'city:77%'`, []);
    await client.query(`VACUUM ANALYZE ${table}, ${table}_history`, []);
  });
  afterAll(() => bench.close());

  const planOf = async (text: string, values: readonly unknown[]): Promise<string> => {
    const rows = await client.query(`EXPLAIN ${text}`, values);
    return rows.map((row) => String(row["QUERY PLAN"])).join("\n");
  };

  const keys = Array.from({ length: 1_000 }, (_, index) => `city:${index}`);
  const column = <T>(value: T): T[] => keys.map(() => value);
  const many = [column("00"), column("n"), column(null), column(false), column(null), column(null)];
  const write = [null, "city:7", Buffer.from("x"), "op", "n", null, false, null, null, "1000"];

  const statements: readonly (readonly [name: string, text: string, values: readonly unknown[], index: string])[] = [
    ["get", reads.get, [null, "city:7", null], `${table}_pkey`],
    ["get unless", reads.get, [null, "city:7", "r"], `${table}_pkey`],
    ["getMany of ten", reads.getMany, [null, keys.slice(0, 10), column(null).slice(0, 10)], `${table}_pkey`],
    ["keys", reads.keysBetween, [null, "city:5", 1000, "city:6"], `${table}_pkey`],
    ["keys from", reads.keysFrom, [null, "", 1000], `${table}_pkey`],
    ["getAt", reads.getAt, [null, "city:1", 0], `${table}_history_pkey`],
    ["replace", writes.replace, [...write, "r"], `${table}_pkey`],
    ["conflicts", writes.conflicts, [null, keys.slice(0, 10)], `${table}_pkey`],
    ["expire", reaps.expire, [null, 1000], `${table}_expires`],
    ["bury", reaps.bury, [null, 1000, 86_400_000], `${table}_forget`],
    ["prune", reaps.prune, [null, 1000], `${table}_history_drop`],
  ];

  for (const [name, text, values, index] of statements)
    it(`${name} goes by an index and reads no table whole`, async () => {
      const plan = await planOf(text, values);
      expect(plan).toContain(index);
      expect(plan).not.toMatch(new RegExp(`Seq Scan on ${table}(_history)?\\b(?!_)`));
    });

  it("keys goes by the index also before the planner has statistics", async () => {
    const fresh = bench.table();
    await bench.store(client, { table: fresh });
    await client.query(
      `INSERT INTO ${fresh} (key, value) SELECT 'city:' || i, 'x' FROM generate_series(1, 20000) AS i`,
      [],
    );
    const { keysBetween } = readStatementsOf(namesOf("public", fresh, `${fresh}_history`));
    const plan = await planOf(keysBetween, [null, "city:5", 1000, "city:6"]);
    expect(plan).toContain(`Index Scan using ${fresh}_pkey`);
    expect(plan).not.toContain("Sort");
  });

  it("a commit of a few of many keys reads no table whole", async () => {
    const few = many.map((values) => values.slice(0, 10));
    const checks = column(false).slice(0, 10);
    const plan = await planOf(writes.settle, [null, "op", keys.slice(0, 10), checks, column("r").slice(0, 10), ...few]);
    expect(plan).not.toMatch(new RegExp(`Seq Scan on ${table}\\b(?!_)`));
  });

  it("an update of a value without an expiry touches no index", async () => {
    await client.query(`VACUUM ${table}`, []);
    const counts = `SELECT pg_stat_get_xact_tuples_updated(c.oid)::int AS updated,
      pg_stat_get_xact_tuples_hot_updated(c.oid)::int AS hot FROM pg_class AS c WHERE c.oid = '${table}'::regclass`;
    const counted = await client.transaction(async (transaction) => {
      const [row] = await transaction.query(`SELECT revision FROM ${table} WHERE key = 'city:7'`, []);
      const [before] = await transaction.query(counts, []);
      await transaction.query(writes.replace, [...write, row?.revision]);
      const [after] = await transaction.query(counts, []);
      return {
        updated: Number(after?.updated) - Number(before?.updated),
        hot: Number(after?.hot) - Number(before?.hot),
      };
    });
    expect(counted).toEqual({ updated: 1, hot: 1 });
  });
});
