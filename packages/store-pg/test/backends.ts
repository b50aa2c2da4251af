import { PGlite } from "@electric-sql/pglite";
import { afterAll, beforeAll, describe } from "@jest/globals";
import { describeWith } from "@warp/tests-services";
import { fromPglite, fromPool, type PgClient, PgStore, type PgStoreOptions } from "../src/index.ts";
import { dropTables, StoreBench, uniqueTable } from "./open-store.ts";

/** A store on a table of its own, and SQL as others would send it. */
export interface Opened {
  readonly store: PgStore;
  readonly client: PgClient;
  readonly table: string;
  sql(text: string, values?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>;
}

type Open = (options?: PgStoreOptions) => Promise<Opened>;

const opened = async (client: PgClient, options: PgStoreOptions, table: string): Promise<Opened> => {
  const store = new PgStore(client, { reapEvery: Number.POSITIVE_INFINITY, ...options, table });
  await store.migrate();
  return { store, client, table, sql: (text, values = []) => client.query(text, values) };
};

/** Registers the same tests for a real PostgreSQL and for PGlite. */
export const describeBackends = async (define: (open: Open) => void): Promise<void> => {
  await describeWith("postgres", (url) => {
    const bench = new StoreBench(url);
    afterAll(() => bench.close());
    define((options = {}) => opened(fromPool(bench.pool()), options, bench.table()));
  });
  describe("PGlite", () => {
    let database: PGlite;
    const tables: string[] = [];
    beforeAll(async () => {
      database = await PGlite.create();
    }, 60_000);
    afterAll(async () => {
      for (const table of tables) await dropTables(fromPglite(database), table);
      await database.close();
    });
    define((options = {}) => {
      const table = uniqueTable();
      tables.push(table);
      return opened(fromPglite(database), options, table);
    });
  });
};
