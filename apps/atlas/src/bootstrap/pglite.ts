import { PGlite } from "@electric-sql/pglite";
import { fromPglite, PgStore } from "@warp/store-pg";
import { Opened, type Stores, type Surroundings } from "./ports.ts";

/** PostgreSQL in this process. @param folder Where its data goes; `undefined`: in memory. */
export const openPglite = async (folder: string | undefined, { cluster }: Surroundings): Promise<Stores> => {
  const database = await PGlite.create(folder);
  const opened = new Opened();
  opened.add(() => database.close());
  const make = (clock?: () => number): PgStore => {
    const store = new PgStore(fromPglite(database), { table: cluster, ...(clock && { clock }) });
    opened.add(() => store.close());
    return store;
  };
  await make().migrate();
  return { make, close: () => opened.close() };
};
