import { type PutMutation, type Store, systemRandom, Warp } from "@warp/core";
import { fromPool, type PgClient, PgStore } from "@warp/store-pg";
import { Pool } from "pg";
import { lifeMs, type Value } from "./subject.ts";

/** Reads and creates records in PostgreSQL, in one of several ways. */
export interface PostgresSubject {
  readonly name: string;
  /** Resolves how many of the keys have a value. */
  getMany(keys: readonly string[]): Promise<number>;
  /** Creates a record under a key that nobody has used. */
  create(key: string, value: Value): Promise<unknown>;
}

export const byHandName = "the same SQL by hand";
export const storeName = "PgStore";
export const warpPostgresName = "Warp, no cache";
export const connections = 10;

const reaperOff = { reapEvery: Number.POSITIVE_INFINITY } as const;

/** One statement as a store sends it. */
interface Statement {
  readonly text: string;
  readonly values: readonly unknown[];
}

const bytesOf = (value: Value): Uint8Array => Buffer.from(JSON.stringify(value));

const creation = (key: string, value: Value): PutMutation => ({
  kind: "put",
  key,
  expected: undefined,
  timestamp: { micros: Date.now() * 1_000, node: "bench" },
  history: undefined,
  value: bytesOf(value),
  ttlMs: undefined,
});

/** What a store sends for a call, without sending it. */
const captured = async (call: (store: Store) => Promise<unknown>): Promise<Statement> => {
  let statement: Statement | undefined;
  const client: PgClient = {
    query: async (text, values) => {
      statement ??= { text, values };
      return [];
    },
    write: () => Promise.reject(new Error("an answer was asked for")),
    transaction: () => Promise.reject(new Error("one statement was expected")),
  };
  // An empty answer is none that a commit could be content with.
  await call(new PgStore(client, reaperOff)).catch(() => {});
  if (statement === undefined) throw new Error("the store sent nothing");
  return statement;
};

/** @param keys What will be read, and @param creations what will be created: their statements are made beforehand. */
const openByHand = async (
  pool: Pool,
  lists: readonly (readonly string[])[],
  creations: ReadonlyMap<string, Value>,
): Promise<PostgresSubject> => {
  const reads = new Map<readonly string[], Statement>();
  for (const keys of lists) reads.set(keys, await captured((store) => store.getMany(keys)));
  const writes = new Map<string, Statement>();
  for (const [key, value] of creations)
    writes.set(key, await captured((store) => store.commit(systemRandom.id(), [creation(key, value)])));
  const send = async ({ text, values }: Statement): Promise<readonly { readonly value: Buffer | null }[]> =>
    (await pool.query<{ value: Buffer | null }>(text, [...values])).rows;
  return {
    name: byHandName,
    getMany: async (keys) => (await send(reads.get(keys) as Statement)).filter(({ value }) => value !== null).length,
    create: (key) => send(writes.get(key) as Statement),
  };
};

const openStore = (store: PgStore): PostgresSubject => ({
  name: storeName,
  getMany: async (keys) =>
    (await store.getMany(keys)).filter((record) => typeof record === "object" && record.value !== undefined).length,
  create: (key, value) => store.commit(systemRandom.id(), [creation(key, value)]),
});

/** The public calls, with no cache in between: everything that they promise, on top of the same statements, of whose commits they ask for no answer. */
const openWarp = (warp: Warp<Record<string, Value>>): PostgresSubject => {
  warp.register("*", { ttl: lifeMs });
  return {
    name: warpPostgresName,
    getMany: async (keys) => (await warp.getMany(keys)).size,
    create: (key, value) => warp.set(key, value),
  };
};

export interface PostgresBench {
  readonly subjects: readonly PostgresSubject[];
  close(): Promise<void>;
}

/**
 * All ways, on a table of their own in one database.
 * @param lists What will be read; it is written now.
 * @param creations What will be created by hand.
 */
export const openPostgres = async (
  url: string,
  lists: readonly (readonly string[])[],
  creations: ReadonlyMap<string, Value>,
): Promise<PostgresBench> => {
  const pool = new Pool({ connectionString: url, max: connections });
  const store = new PgStore(fromPool(pool), reaperOff);
  await store.migrate();
  const warp = new Warp<Record<string, Value>>({ localCache: false, store });
  const throughWarp = openWarp(warp);
  for (const keys of lists) await warp.setMany(keys.map((key, n) => [key, { n }] as const));
  await pool.query("VACUUM ANALYZE");
  return {
    subjects: [await openByHand(pool, lists, creations), openStore(store), throughWarp],
    close: async () => {
      await warp.close();
      await store.close();
      await pool.end();
    },
  };
};
