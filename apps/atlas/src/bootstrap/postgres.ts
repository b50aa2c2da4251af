import { fromPool, PgChangeFeed, PgStore } from "@warp/store-pg";
import { Client, Pool } from "pg";
import { Opened, type Stores, type Surroundings } from "./ports.ts";

export const openPostgres = async (url: string, { cluster, logger }: Surroundings): Promise<Stores> => {
  const server = { connectionString: url, keepAlive: true, connectionTimeoutMillis: 2_000 };
  const pool = new Pool({ ...server, statement_timeout: 5_000, query_timeout: 6_000 });
  // Unheard, pg ends the process when an idle connection breaks.
  pool.on("error", (error) => logger.warn({ err: error }, "an idle connection to PostgreSQL broke"));
  const opened = new Opened();
  opened.add(() => pool.end());
  const make = (clock?: () => number): PgStore => {
    const store = new PgStore(fromPool(pool), { table: cluster, ...(clock && { clock }) });
    opened.add(() => store.close());
    return store;
  };
  try {
    await make().migrate({ changeFeed: true });
  } catch (error) {
    await opened.close();
    throw error;
  }
  const feed = (): PgChangeFeed =>
    new PgChangeFeed(() => new Client(server), {
      table: cluster,
      onError: (error) => logger.warn({ err: error }, "what other programs write is not heard"),
    });
  return { make, feed, close: () => opened.close() };
};
