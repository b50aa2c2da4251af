import { fromPool, PgStore } from "@warp/store-pg";
import { Pool } from "pg";
import { Opened, type Stores, type Surroundings } from "./ports.ts";

export const openPostgres = async (url: string, { cluster, logger }: Surroundings): Promise<Stores> => {
  const pool = new Pool({
    connectionString: url,
    keepAlive: true,
    connectionTimeoutMillis: 2_000,
    statement_timeout: 5_000,
    query_timeout: 6_000,
  });
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
    await make().migrate();
  } catch (error) {
    await opened.close();
    throw error;
  }
  return { make, close: () => opened.close() };
};
