import type { Platform } from "../config.ts";
import type { Buses, Caches, Stores, Surroundings } from "./ports.ts";

/** How long a server may take to answer at the start. Clients' own patience is minutes where nobody refuses them. */
const answersWithinMs = 15_000;

/** A server that does not answer is the variable's fault as far as its owner can see. */
const naming = async <T>(variable: string, opening: Promise<T>, withinMs?: number): Promise<T> => {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<never>((_resolve, reject) => {
    const late = (): void => reject(new Error(`no answer within ${withinMs} ms`));
    if (withinMs !== undefined) timer = setTimeout(late, withinMs);
  });
  try {
    return await Promise.race([opening, silence]);
  } catch (cause) {
    const reason = cause instanceof Error && cause.message !== "" ? cause.message : String(cause);
    throw new Error(`what ${variable} names cannot be used: ${reason}`, { cause });
  } finally {
    clearTimeout(timer);
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
      const name = "S3_BUCKET (with S3_ENDPOINT and the credentials)";
      return await naming(name, openS3(store.s3, surroundings), answersWithinMs);
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
      return { ...buses, make: () => naming("NATS_URL", buses.make(), answersWithinMs) };
    }
    case "kafka": {
      const { kafkaBuses } = await import("./kafka.ts");
      const buses = kafkaBuses(bus.brokers, surroundings);
      return { ...buses, make: () => naming("KAFKA_BROKERS", buses.make(), answersWithinMs) };
    }
  }
};
