import type { Platform } from "../config.ts";
import type { Buses, Caches, Stores, Surroundings } from "./ports.ts";

/** A server that does not answer is the variable's fault as far as its owner can see. */
const naming = async <T>(variable: string, opening: Promise<T>): Promise<T> => {
  try {
    return await opening;
  } catch (cause) {
    const reason = cause instanceof Error && cause.message !== "" ? cause.message : String(cause);
    throw new Error(`what ${variable} names cannot be used: ${reason}`, { cause });
  }
};

// Only what is chosen is loaded: a client library costs memory and time to start.

export const openStores = async ({ store }: Platform, surroundings: Surroundings): Promise<Stores> => {
  switch (store.kind) {
    case "pglite": {
      const { openPglite } = await import("./pglite.ts");
      return await naming("PGLITE_FOLDER", openPglite(store.folder, surroundings));
    }
    case "pg": {
      const { openPostgres } = await import("./postgres.ts");
      return await naming("DATABASE_URL", openPostgres(store.url, surroundings));
    }
    case "s3":
      throw new Error("STORE=s3 is not here yet");
  }
};

/** @param entries Of each node's own cache, at most. */
export const openCaches = async ({ cache }: Platform, entries: number, surroundings: Surroundings): Promise<Caches> => {
  if (cache.kind !== "memory") throw new Error(`CACHE=${cache.kind} is not here yet (${surroundings.cluster})`);
  const { memoryCaches } = await import("./memory.ts");
  return memoryCaches(entries);
};

export const openBuses = async ({ bus }: Platform, surroundings: Surroundings): Promise<Buses> => {
  if (bus.kind !== "memory") throw new Error(`BUS=${bus.kind} is not here yet (${surroundings.cluster})`);
  const { memoryBuses } = await import("./memory.ts");
  return memoryBuses();
};
