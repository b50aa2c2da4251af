import { createHash } from "node:crypto";
import { setImmediate as turnOfEventLoop } from "node:timers/promises";
import { isReadOnly, leavesUsable, noConnection, notSent } from "./failures.ts";

/** A row as the client hands it over, by column name. */
export type PgRow = Readonly<Record<string, unknown>>;

/** Whether something is still to be sent, asked once there is a connection to send it on. */
export type StillWanted = () => boolean;

/** Where statements are sent: a client as a whole, or the one connection of a transaction. */
export interface PgQueryable {
  /**
   * Sends one statement and resolves with its rows.
   * @param values Strings, numbers, booleans, bytes, `null`, and arrays of strings, numbers, booleans and `null`.
   * @param stillWanted Where it says no, nothing is sent, and the call rejects `UNAVAILABLE`. Default: always.
   */
  query(text: string, values: readonly unknown[], stillWanted?: StillWanted): Promise<readonly PgRow[]>;
  /** As `query`, of a statement that answers with no rows. Resolves with how many it wrote. */
  write(text: string, values: readonly unknown[], stillWanted?: StillWanted): Promise<number>;
}

/** Bounds of a transaction. */
export interface PgLimits {
  /** As for a query: asked before `BEGIN` is sent. */
  readonly stillWanted?: StillWanted;
  /** Kept by the server itself: how long one statement, one wait for a lock and one pause between statements may take, in milliseconds. */
  readonly timeoutMs: number;
}

/** What `PgStore` needs of a PostgreSQL client. `fromPool` and `fromPglite` make one. */
export interface PgClient extends PgQueryable {
  /**
   * Runs `run` in a READ COMMITTED transaction, on one connection. Commits if it resolves, rolls back if it rejects,
   * and then rejects with what it rejected with. Nothing is sent after `run` has settled but the end of the transaction.
   */
  transaction<T>(run: (transaction: PgQueryable) => Promise<T>, limits?: PgLimits): Promise<T>;
}

/** What of a client's result this package reads. */
export interface PgResult {
  readonly rows: readonly unknown[];
  /** How many rows the statement wrote, as `pg` names it. */
  readonly rowCount?: number | null;
  /** The same, as PGlite names it. */
  readonly affectedRows?: number | undefined;
}

/** A statement that a connection parses and plans once. */
export interface PgPrepared {
  readonly name: string;
  readonly text: string;
}

/** The part of pg's `PoolClient` that this package calls. */
export interface PgPoolClient {
  /** Sends one statement, in the order of the calls. */
  query(query: string | PgPrepared, values?: readonly unknown[]): Promise<PgResult>;
  /** Gives the connection back to the pool. @param destroy Close it instead: its state is not known. */
  release(destroy?: boolean): void;
  /** Hears that the connection broke between two statements; unheard, `pg` ends the process. */
  on(event: "error", listener: (error: Error) => void): unknown;
  /** Ends an `on`. */
  removeListener(event: "error", listener: (error: Error) => void): unknown;
}

/** The part of pg's `Pool` that this package calls. */
export interface PgPool {
  /** Lends a connection, after waiting for a free one; rejects if none is to be had. */
  connect(): Promise<PgPoolClient>;
}

/** The part of a PGlite transaction that this package calls. */
export interface PgliteTransaction {
  /** Sends one statement. */
  query(text: string, values: unknown[]): Promise<PgResult>;
}

/** The part of `PGlite` that this package calls. */
export interface PgliteDatabase extends PgliteTransaction {
  /** Commits if `run` resolves, rolls back if it rejects; other statements wait meanwhile. */
  transaction<T>(run: (transaction: PgliteTransaction) => Promise<T>): Promise<T>;
}

const rowsOf = (result: PgResult): readonly PgRow[] => result.rows as PgRow[];
/** @throws {Error} Which leaves open whether the statement took effect, where the client does not say. */
const writtenBy = ({ rowCount, affectedRows }: PgResult): number => {
  const count = rowCount ?? affectedRows;
  if (count === undefined) throw new Error("the PostgreSQL client does not say how many rows a statement wrote");
  return count;
};

/** How a pool is used. */
export interface PgPoolOptions {
  /**
   * `"plain"` (default) works behind every connection pooler. `"prepared"` lets each connection parse and plan a
   * statement once, which halves the time of a read; poolers that hand out connections per transaction must know
   * prepared statements then.
   */
  readonly statements?: "plain" | "prepared";
}

type Prepare = (text: string) => string | PgPrepared;

/** The texts of a store are few and fixed, so the map is too. */
const preparing = (): Prepare => {
  const known = new Map<string, PgPrepared>();
  return (text) => {
    let prepared = known.get(text);
    if (prepared === undefined) {
      prepared = { name: `warp_${createHash("sha256").update(text).digest("hex").slice(0, 32)}`, text };
      known.set(text, prepared);
    }
    return prepared;
  };
};

/** Sends one statement on one connection. */
const send = (
  connection: PgPoolClient,
  prepare: Prepare,
  text: string,
  values: readonly unknown[],
): Promise<PgResult> =>
  // What takes no values is no statement of every day.
  connection.query(values.length === 0 ? text : prepare(text), values);

const beginning = "BEGIN ISOLATION LEVEL READ COMMITTED";

/** One message: `BEGIN` and its limits cost one round trip. The pause limit frees the locks of a client that froze. */
const beginWith = (limits: PgLimits | undefined): string => {
  if (limits === undefined) return beginning;
  const ms = Math.max(1, Math.ceil(limits.timeoutMs));
  const names = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"];
  return [beginning, ...names.map((name) => `SET LOCAL ${name} = ${ms}`)].join("; ");
};

const ignore = (): void => {};

/** To be called once for each connection. @param usable Whether it is whole, and outside of any transaction. */
const giveBack = (connection: PgPoolClient, usable: boolean): void => {
  connection.removeListener("error", ignore);
  connection.release(!usable);
};

/** @throws {WarpError} `UNAVAILABLE`: without a connection nothing was sent. */
const checkOut = async (pool: PgPool, stillWanted: StillWanted | undefined): Promise<PgPoolClient> => {
  let connection: PgPoolClient;
  try {
    connection = await pool.connect();
  } catch (error) {
    throw noConnection(error);
  }
  // A connection that breaks between two statements emits an error, which the next statement reports anyway.
  connection.on("error", ignore);
  if (stillWanted === undefined || stillWanted()) return connection;
  giveBack(connection, true);
  throw notSent();
};

/** @returns Whether the connection is back outside of any transaction. */
const rollBack = async (connection: PgPoolClient): Promise<boolean> => {
  try {
    await connection.query("ROLLBACK");
    return true;
  } catch {
    return false;
  }
};

/**
 * A client out of a pool of connections: each statement, and each transaction, takes one and gives it back.
 * @param pool A `Pool` of `pg`, or what resembles one. Made, configured and ended by the caller.
 */
export const fromPool = (pool: PgPool, { statements = "plain" }: PgPoolOptions = {}): PgClient => {
  const prepare: Prepare = statements === "prepared" ? preparing() : (text) => text;
  const sendAlone = async <T>(
    text: string,
    values: readonly unknown[],
    stillWanted: StillWanted | undefined,
    of: (result: PgResult) => T,
  ): Promise<T> => {
    const connection = await checkOut(pool, stillWanted);
    let usable = true;
    try {
      return of(await send(connection, prepare, text, values));
    } catch (error) {
      usable = leavesUsable(error);
      throw error;
    } finally {
      giveBack(connection, usable);
    }
  };
  return {
    query: (text, values, stillWanted) => sendAlone(text, values, stillWanted, rowsOf),
    write: (text, values, stillWanted) => sendAlone(text, values, stillWanted, writtenBy),
    async transaction(run, limits) {
      const connection = await checkOut(pool, limits?.stillWanted);
      let usable = true;
      try {
        await connection.query(beginWith(limits));
        const result = await run({
          query: async (text, values) => rowsOf(await send(connection, prepare, text, values)),
          write: async (text, values) => writtenBy(await send(connection, prepare, text, values)),
        });
        await connection.query("COMMIT");
        return result;
      } catch (error) {
        usable = (await rollBack(connection)) && !isReadOnly(error);
        throw error;
      } finally {
        giveBack(connection, usable);
      }
    },
  };
};

const pgliteQueryable = (database: PgliteTransaction): PgQueryable => {
  const send = async (text: string, values: readonly unknown[]): Promise<PgResult> => {
    try {
      return await database.query(text, [...values]);
    } finally {
      // It answers without leaving the microtask queue: timers would wait until nobody asks it for anything any more.
      await turnOfEventLoop();
    }
  };
  return {
    query: async (text, values) => rowsOf(await send(text, values)),
    write: async (text, values) => writtenBy(await send(text, values)),
  };
};

/**
 * A client out of PostgreSQL inside this process.
 * @param database A `PGlite`, or what resembles one. Made and closed by the caller. Limits do not apply to it: it has
 *   one session, in this process, and no timers.
 */
export const fromPglite = (database: PgliteDatabase): PgClient => ({
  ...pgliteQueryable(database),
  transaction: (run) => database.transaction((transaction) => run(pgliteQueryable(transaction))),
});
