import { afterAll, beforeAll, expect, it } from "@jest/globals";
import { describeWith } from "@warp/tests-services";
import type { PoolClient } from "pg";
import { fromPool, type PgClient, type PgPool, type PgPoolClient, PgStore } from "../src/index.ts";
import { namesOf } from "../src/names.ts";
import { readStatementsOf } from "../src/read-statements.ts";
import { reapStatementsOf } from "../src/reaper.ts";
import { writeStatementsOf } from "../src/write-statements.ts";
import { StoreBench } from "./open-store.ts";
import { newOperation, putOf } from "./steps.ts";

await describeWith("postgres", (url) => {
  const bench = new StoreBench(url);
  const table = bench.table();
  const rows = 1_000_000;
  const names = namesOf("public", table, `${table}_history`);
  const reads = readStatementsOf(names);
  const writes = writeStatementsOf(names);
  const reaps = reapStatementsOf(names);
  let client: PgClient;

  beforeAll(async () => {
    client = fromPool(bench.pool(1));
    await bench.store(client, { table });
    for (const name of [table, `${table}_history`]) await client.query(`ALTER TABLE ${name} SET UNLOGGED`, []);
    // As Warp writes rows, so that no trigger looks at each: values, most of them without an expiry, tombstones, a past.
    await client.query(
      `INSERT INTO ${table} (key, value, revision, micros, node, committed_at, created_at, expires_at, dropped_at, forget_from, operations)
       SELECT 'city:' || i, CASE WHEN i % 50 > 0 THEN decode('01', 'hex') || convert_to(repeat('x', 100), 'UTF8') END, 'r' || i, i, 'n', now(), now(),
         CASE WHEN i % 100 = 1 THEN now() + interval '1 day' END, CASE WHEN i % 50 = 0 THEN now() END,
         CASE WHEN i % 50 = 0 THEN now() END, ARRAY['r' || i]
       FROM generate_series(1, ${rows}) AS i`,
      [],
    );
    await client.query(
      `INSERT INTO ${table}_history
         (key, micros, node, revision, value, operations, committed_at, superseded_at, drop_at)
       SELECT 'city:' || i, i, 'n', 'h' || i, 'x', ARRAY['h' || i], now() - interval '1 hour', now(), now() + interval '1 day'
       FROM generate_series(1, ${rows / 10}) AS i`,
      [],
    );
    await client.query(`VACUUM ANALYZE ${table}, ${table}_history`, []);
  }, 60_000);
  afterAll(() => bench.close());

  const planOf = async (text: string, values: readonly unknown[]): Promise<string> => {
    const rows = await client.query(`EXPLAIN ${text}`, values);
    return rows.map((row) => String(row["QUERY PLAN"])).join("\n");
  };

  const some = (count: number): string[] => Array.from({ length: count }, (_, index) => `city:${1 + index * 97}`);
  const keys = some(1_000);
  const column = <T>(value: T, length = keys.length): T[] => new Array<T>(length).fill(value);
  const many = [column("00"), column("n"), column(null), column(false), column(null), column(null)];
  const removal = [null, "city:7", "op", "n", "1000"];
  const put = [...removal, Buffer.from("x"), null];

  const statements: readonly (readonly [name: string, text: string, values: readonly unknown[], index: string])[] = [
    ["get", reads.get, [null, "city:7"], `${table}_pkey`],
    ["get unless", reads.getUnless, [null, "city:7", "r"], `${table}_pkey`],
    ...[1, 10, 1_000, 10_000].map(
      (count) =>
        [`getMany of ${count}`, reads.getMany, [null, some(count), column(null, count)], `${table}_pkey`] as const,
    ),
    ["keys", reads.keysBetween, [null, "city:5", 1000, "city:6"], `${table}_pkey`],
    ["keys from", reads.keysFrom, [null, "", 1000], `${table}_pkey`],
    ["getAt", reads.getAt, [null, "city:1", 0], `${table}_history_pkey`],
    ["getAt of a key without a past", reads.getAt, [null, "city:999999", 0], `${table}_pkey`],
    ["create", writes.create.plain.put.none, put, `Conflict Arbiter Indexes: ${table}_pkey`],
    ["create a tombstone", writes.create.plain.delete.none, removal, `Conflict Arbiter Indexes: ${table}_pkey`],
    ["lock", writes.lock, [null, "op", keys, column(false), ...many], `Conflict Arbiter Indexes: ${table}_pkey`],
    ["settle", writes.settle, [null, "op", keys, column(false), column("r"), ...many], `${table}_pkey`],
    ["settle of checks", writes.settle, [null, "op", keys, column(true), column("r"), ...many], `${table}_pkey`],
    ["conflicts of 1000", writes.conflicts, [null, keys], `${table}_pkey`],
    ["replace", writes.replace.plain.put.none, [...put, "r"], `${table}_pkey`],
    ["replace and keep", writes.replace.kept.put.none, [...put, "r", 3, 1_000], `${table}_pkey`],
    ["delete", writes.replace.plain.delete.none, [...removal, "r"], `${table}_pkey`],
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

  it("a commit of 1 000 keys is four statements, within the store's deadline, whether it creates, replaces or does both", async () => {
    const pool = bench.pool(1);
    const sent: unknown[] = [];
    const counted: PgPool = {
      connect: async () => {
        const connection = await pool.connect();
        const query = connection.query.bind(connection) as PgPoolClient["query"];
        const counting: PgPoolClient["query"] = (text, values) => {
          sent.push(text);
          return query(text, values);
        };
        return Object.assign(Object.create(connection) as PoolClient, { query: counting });
      },
    };
    const store = new PgStore(fromPool(counted), { table, reapEvery: Number.POSITIVE_INFINITY });
    const added = Array.from({ length: 1_500 }, (_, index) => `added:${index}`);
    const known = new Map<string, string>();
    for (const part of [added.slice(0, 1_000), added.slice(0, 1_000), added.slice(500)]) {
      sent.length = 0;
      const began = performance.now();
      const records = await store.commit(
        newOperation(),
        part.map((key) => putOf(key, "x".repeat(100), { expected: known.get(key) })),
      );
      expect(performance.now() - began).toBeLessThan(2_000);
      expect(sent.length).toBeLessThanOrEqual(4);
      for (const [index, key] of part.entries()) known.set(key, records[index]?.revision ?? "");
    }
    expect(known.size).toBe(1_500);
  });

  it("an update of a value without an expiry touches no index", async () => {
    await client.query(`VACUUM ${table}`, []);
    const counts = `SELECT pg_stat_get_xact_tuples_updated(c.oid)::int AS updated,
      pg_stat_get_xact_tuples_hot_updated(c.oid)::int AS hot FROM pg_class AS c WHERE c.oid = '${table}'::regclass`;
    const counted = await client.transaction(async (transaction) => {
      const [row] = await transaction.query(`SELECT revision FROM ${table} WHERE key = 'city:7'`, []);
      const [before] = await transaction.query(counts, []);
      await transaction.write(writes.replace.plain.put.none, [...put, row?.revision]);
      const [after] = await transaction.query(counts, []);
      return {
        updated: Number(after?.updated) - Number(before?.updated),
        hot: Number(after?.hot) - Number(before?.hot),
      };
    });
    expect(counted).toEqual({ updated: 1, hot: 1 });
  });
});
