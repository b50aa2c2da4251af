import { randomBytes } from "node:crypto";
import { Pool, type PoolConfig } from "pg";
import { fromPool, type PgClient, PgStore, type PgStoreOptions } from "../src/index.ts";

/** A table name that nothing else uses, also on a server that others share. */
export const uniqueTable = (): string => `t_${randomBytes(8).toString("hex")}`;

export const dropTables = async (client: PgClient, table: string): Promise<void> => {
  await client.query(`DROP TABLE IF EXISTS ${table}, ${table}_history, ${table}_state CASCADE`, []);
  for (const [suffix, types] of [
    ["foreign_write", ""],
    ["archive", ""],
    ["tell", ""],
    ["encode", "jsonb"],
    ["decode", "bytea"],
  ])
    await client.query(`DROP FUNCTION IF EXISTS ${table}_${suffix}(${types})`, []);
};

/** Stores on new tables of one server, each with pools of its own; all of it ends with `close`. */
export class StoreBench {
  readonly #url: string;
  readonly #pools: Pool[] = [];
  readonly #tables: string[] = [];
  readonly #stores: PgStore[] = [];

  constructor(url: string) {
    this.#url = url;
  }

  /** @param settings Of its sessions, as `-c name=value`. */
  pool(max = 4, settings = "", more: PoolConfig = {}): Pool {
    const pool = new Pool({ connectionString: this.#url, max, options: settings, ...more });
    // An idle connection that the server ends is no failure of a test.
    pool.on("error", () => {});
    this.#pools.push(pool);
    return pool;
  }

  /** A store on `options.table`, or on a new one. */
  async store(client: PgClient = fromPool(this.pool()), options: PgStoreOptions = {}): Promise<PgStore> {
    const table = options.table ?? uniqueTable();
    if (options.table === undefined) this.#tables.push(table);
    const store = new PgStore(client, { reapEvery: Number.POSITIVE_INFINITY, ...options, table });
    this.#stores.push(store);
    await store.migrate();
    return store;
  }

  /** Registers a table to be dropped. */
  table(): string {
    const table = uniqueTable();
    this.#tables.push(table);
    return table;
  }

  async close(): Promise<void> {
    await Promise.all(this.#stores.map((store) => store.close()));
    const client = fromPool(this.pool(1));
    for (const table of this.#tables) await dropTables(client, table);
    await Promise.all(this.#pools.map((pool) => pool.end()));
  }
}
