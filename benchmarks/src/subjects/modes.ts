import { NatsBus } from "@warp/bus-nats";
import { MemoryCache, silentLogger, Warp } from "@warp/core";
import { fromPool, PgStore } from "@warp/store-pg";
import { connect, type NatsConnection } from "nats";
import { Pool } from "pg";
import { lifeMs, type Value } from "./subject.ts";

/** Where the nodes of the questions "strong" and "modes" meet. */
export interface StrongMeeting {
  readonly nats: string;
  readonly postgres: string;
}

/** Connections of the pool that Warp and what is written by hand share. */
export const poolSize = 10;
/** Where the other process answers by hand. */
export const consentSubject = "by-hand.consent";

/** What keys begin with, for each mode. */
export const prefixes = {
  "strong-local": "local",
  "eventual-distributed": "eventual",
  "strong-distributed": "strong",
} as const;

export type ModeName = keyof typeof prefixes;

export interface ModesNode {
  readonly warp: Warp<Record<string, Value>>;
  readonly connection: NatsConnection;
  readonly pool: Pool;
  close(): Promise<void>;
}

/** A node on NATS and PostgreSQL that keeps keys in all three modes; a strong write needs one other node's consent. */
export const openModesNode = async ({ nats, postgres }: StrongMeeting): Promise<ModesNode> => {
  const connection = await connect({ servers: nats });
  const pool = new Pool({ connectionString: postgres, max: poolSize });
  // The server may end a connection that is being closed, which is no news.
  pool.on("error", () => {});
  const store = new PgStore(fromPool(pool, { statements: "prepared" }), { reapEvery: Number.POSITIVE_INFINITY });
  await store.migrate();
  const localCache = new MemoryCache({ maxEntries: 20_000 });
  const warp = new Warp<Record<string, Value>>({
    localCache,
    store,
    bus: new NatsBus(connection),
    logger: silentLogger,
  });
  for (const [mode, prefix] of Object.entries(prefixes))
    warp.register(`${prefix}:*`, { mode: mode as ModeName, ttl: lifeMs });
  warp.setQuorum(`${prefixes["strong-distributed"]}:*`, 2);
  await warp.ready();
  return {
    warp,
    connection,
    pool,
    close: async () => {
      await warp.close();
      localCache.close();
      await store.close();
      await pool.end();
      await connection.close();
    },
  };
};

/** What a careful program without Warp does: asks the other process for its consent, then updates under a condition. */
export interface ByHand {
  read(key: string): Promise<Value | undefined>;
  write(key: string, value: Value): Promise<void>;
}

/** On the connections of `node`, its statements prepared like the store's; `keys` have their rows afterwards. */
export const openByHand = async ({ pool, connection }: ModesNode, keys: readonly string[]): Promise<ByHand> => {
  await pool.query("CREATE TABLE by_hand (key text PRIMARY KEY, value bytea NOT NULL, revision bigint NOT NULL)");
  const first = Buffer.from(JSON.stringify({ n: 0 }));
  await pool.query("INSERT INTO by_hand SELECT unnest($1::text[]), $2, 0", [keys, first]);
  await pool.query("VACUUM ANALYZE");
  const revisions = new Map<string, number>();
  const select = { name: "by_hand_select", text: "SELECT value, revision FROM by_hand WHERE key = $1" };
  const text = "UPDATE by_hand SET value = $2, revision = revision + 1 WHERE key = $1 AND revision = $3";
  const update = { name: "by_hand_update", text };
  return {
    read: async (key) => {
      const [row] = (await pool.query<{ value: Buffer }>(select, [key])).rows;
      return row === undefined ? undefined : (JSON.parse(row.value.toString()) as Value);
    },
    write: async (key, value) => {
      const revision = revisions.get(key) ?? 0;
      await connection.request(consentSubject, Buffer.from(key), { timeout: 2_000 });
      const { rowCount } = await pool.query(update, [key, Buffer.from(JSON.stringify(value)), revision]);
      if (rowCount !== 1) throw new Error(`somebody else wrote ${key}`);
      revisions.set(key, revision + 1);
    },
  };
};
