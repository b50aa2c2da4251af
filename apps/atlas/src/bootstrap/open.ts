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
    case "s3": {
      const { openS3 } = await import("./s3.ts");
      return await naming("S3_BUCKET (with S3_ENDPOINT and the credentials)", openS3(store.s3, surroundings));
    }
  }
};

/** @param entries Of each node's own cache, at most. */
export const openCaches = async ({ cache }: Platform, entries: number, surroundings: Surroundings): Promise<Caches> => {
  if (cache.kind === "memory") {
    const { memoryCaches } = await import("./memory.ts");
    return memoryCaches(entries);
  }
  const { redisCaches } = await import("./redis.ts");
  return redisCaches(cache.url, cache.kind === "redis" ? undefined : entries, surroundings);
};

export const openBuses = async ({ bus }: Platform, surroundings: Surroundings): Promise<Buses> => {
  switch (bus.kind) {
    case "memory": {
      const { memoryBuses } = await import("./memory.ts");
      return memoryBuses();
    }
    case "nats": {
      const { natsBuses } = await import("./nats.ts");
      const buses = natsBuses(bus.servers, surroundings);
      return { ...buses, make: () => naming("NATS_URL", buses.make()) };
    }
    case "kafka": {
      const { kafkaBuses } = await import("./kafka.ts");
      const buses = kafkaBuses(bus.brokers, surroundings);
      return { ...buses, make: () => naming("KAFKA_BROKERS", buses.make()) };
    }
  }
};
