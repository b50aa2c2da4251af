import { afterAll, expect, it } from "@jest/globals";
import { describeWith } from "@warp/tests-services";
import { fromPool, type PgStore } from "../src/index.ts";
import { StoreBench } from "./open-store.ts";
import { newOperation, put, putOf } from "./steps.ts";
import { untilWaiting } from "./waiting.ts";

const start = Date.UTC(2026, 6, 1);

await describeWith("postgres", (url) => {
  const bench = new StoreBench(url);
  afterAll(() => bench.close());

  it("processes that reap at once share the work, each row once", async () => {
    let now = start;
    const options = { table: bench.table(), clock: () => now, reapBatch: 40, tombstoneRetention: "1h" } as const;
    const stores = await Promise.all([1, 2, 3].map(() => bench.store(fromPool(bench.pool()), options)));
    const history = { versions: undefined, maxAgeMs: 1 };
    const keys = Array.from({ length: 500 }, (_, index) => `k${index}`);
    const [store] = stores as [PgStore, ...PgStore[]];
    const first = newOperation();
    await store.commit(
      first,
      keys.map((key) => putOf(key, "1", { ttlMs: 1, history })),
    );
    await store.commit(
      newOperation(),
      keys.map((key) => putOf(key, "2", { expected: first, ttlMs: 1, history })),
    );
    now += 7_200_000;
    const total = { expired: 0, tombstones: 0, versions: 0 };
    const reap = async (instance: PgStore): Promise<void> => {
      for (let idle = 0; idle < 3; ) {
        const { expired, tombstones, versions } = await instance.reap();
        idle = expired + tombstones + versions === 0 ? idle + 1 : 0;
        total.expired += expired;
        total.tombstones += tombstones;
        total.versions += versions;
      }
    };
    await Promise.all(stores.map(reap));
    await reap(store);
    expect(total).toEqual({ expired: 500, tombstones: 500, versions: 1_000 });
  });

  it("a row that a transaction holds is left for the next round", async () => {
    let now = start;
    const table = bench.table();
    const store = await bench.store(fromPool(bench.pool()), { table, clock: () => now });
    await put(store, "held", "x", { ttlMs: 1 });
    await put(store, "free", "x", { ttlMs: 1 });
    now += 10;
    const connection = await bench.pool().connect();
    await connection.query("BEGIN");
    await connection.query(`SELECT FROM ${table} WHERE key = 'held' FOR UPDATE`);
    expect((await store.reap()).expired).toBe(1);
    await connection.query("COMMIT");
    expect((await store.reap()).expired).toBe(1);
    connection.release();
  });

  it("a commit that waits for the reaper lands on what it leaves", async () => {
    let now = start;
    const table = bench.table();
    const client = fromPool(bench.pool());
    const store = await bench.store(client, { table, clock: () => now });
    const value = await put(store, "k", "x", { ttlMs: 1 });
    now += 10;
    const commit = await client.transaction(async (transaction) => {
      await transaction.query("SELECT set_config('warp.reaper', 'on', true)", []);
      await transaction.query(
        `UPDATE ${table} SET value = NULL, expired = true, dropped_at = expires_at, expires_at = NULL`,
        [],
      );
      const pending = store.commit(newOperation(), [putOf("k", "y", { expected: value.revision })]);
      await untilWaiting(client, table);
      return [pending];
    });
    expect(await commit[0]).toHaveLength(1);
  });
});
