import {
  type CallOptions,
  type CommitAnswer,
  type History,
  type Mutation,
  type OperationId,
  type Revision,
  type Store,
  type StoredRecord,
  WarpError,
} from "@warp/core";
import { Committer } from "./commit.ts";
import { above, after, fromColumn, toColumn } from "./keys.ts";
import { type PgStoreOptions, type PgStoreSettings, settingsOf } from "./options.ts";
import type { PgClient, PgRow } from "./pg-client.ts";
import { type ReadStatements, readStatementsOf } from "./read-statements.ts";
import { type Reaped, Reaper } from "./reaper.ts";
import { recordOf, unpackedRecord } from "./records.ts";
import { migrate, type PgMigrateOptions } from "./schema.ts";
import { writeStatementsOf } from "./write-statements.ts";

const firstPage = 100;
const laterPage = 1_000;

const foundIn = (row: PgRow): StoredRecord | "unchanged" => (row.unchanged === true ? "unchanged" : recordOf(row));

/**
 * Warp's records in a table of PostgreSQL, their past in a second one.
 *
 * A read or a commit of one key is one statement; a commit of several is one READ COMMITTED transaction of four round
 * trips, whatever their number. Failures of a commit that certainly changed nothing are `UNAVAILABLE` with PostgreSQL's
 * error as `cause`; every other failure is PostgreSQL's own, and a commit may then have landed.
 */
export class PgStore implements Store, History {
  readonly portVersion = 1;
  readonly atomicBatch = true;
  readonly conditionalDelete = true;
  readonly landsWithinMs: number;
  readonly #client: PgClient;
  readonly #settings: PgStoreSettings;
  readonly #reads: ReadStatements;
  readonly #committer: Committer;
  readonly #reaper: Reaper;

  /**
   * No I/O. The table must be there before the first call: see `migrate`.
   * @param client Of `fromPool` or `fromPglite`. What it was made of is closed by its owner, after `close()`.
   * @throws {WarpError} `INVALID_ARGUMENT` naming the option; `UNSUPPORTED` for another client.
   */
  constructor(client: PgClient, options: PgStoreOptions = {}) {
    const missing = (["query", "write", "transaction"] as const).find(
      (method) => typeof client?.[method] !== "function",
    );
    if (missing !== undefined)
      throw new WarpError("UNSUPPORTED", `PgStore needs a client of fromPool or fromPglite: ${missing} is missing`);
    const settings = settingsOf(options);
    const clock = (): number | null => (settings.clock === undefined ? null : Math.floor(settings.clock()));
    this.landsWithinMs = settings.landsWithinMs;
    this.#client = client;
    this.#settings = settings;
    this.#reads = readStatementsOf(settings.names);
    this.#committer = new Committer(client, writeStatementsOf(settings.names), clock, settings.landsWithinMs);
    this.#reaper = new Reaper(client, settings, clock);
    this.#clock = clock;
  }

  readonly #clock: () => number | null;

  /**
   * Creates or updates the tables, their indexes, triggers and helper functions. Does nothing where they are up to
   * date or of a later version; safe from any number of processes at once, which wait for each other.
   * @param options What else belongs to the table.
   * @throws {WarpError} `UNSUPPORTED` in a database whose encoding is not UTF8.
   */
  async migrate(options: PgMigrateOptions = {}): Promise<void> {
    await migrate(this.#client, this.#settings.names, options);
  }

  async get(key: string, unless?: Revision): Promise<StoredRecord | "unchanged" | undefined> {
    this.#reaper.start();
    if (unless === undefined) {
      const [row] = await this.#client.query(this.#reads.get, [this.#clock(), toColumn(key)]);
      return row === undefined ? undefined : recordOf(row);
    }
    const [row] = await this.#client.query(this.#reads.getUnless, [this.#clock(), toColumn(key), unless]);
    if (row === undefined) return undefined;
    return row.packed === null ? "unchanged" : unpackedRecord(row.packed as Uint8Array);
  }

  async getMany(
    keys: readonly string[],
    unless: readonly (Revision | undefined)[] = [],
  ): Promise<readonly (StoredRecord | "unchanged" | undefined)[]> {
    this.#reaper.start();
    const found = new Array<StoredRecord | "unchanged" | undefined>(keys.length).fill(undefined);
    if (keys.length === 0) return found;
    const values = [this.#clock(), keys.map(toColumn), keys.map((_, index) => unless[index] ?? null)];
    for (const row of await this.#client.query(this.#reads.getMany, values))
      found[Number(row.position) - 1] = foundIn(row);
    return found;
  }

  /**
   * As `Store.commit`.
   * @throws {WarpError} `CONFLICT`; `UNAVAILABLE` if it certainly changed nothing: a lock wait, a statement timeout, a
   *   deadlock, a serialization failure, any other refusal of the server, or no connection to send it on.
   * @throws Anything else the client reports: the commit may have landed, or may still.
   */
  commit(
    operation: OperationId,
    mutations: readonly Mutation[],
    options?: CallOptions,
    answer?: CommitAnswer,
  ): Promise<readonly (StoredRecord | undefined)[]> {
    this.#reaper.start();
    return this.#committer.commit(operation, mutations, options, answer);
  }

  /** In the order of code points. Each page is one statement; between pages nothing is held at the server. */
  async *keys(prefix: string): AsyncGenerator<string, void, undefined> {
    const end = above(toColumn(prefix));
    // Most prefixes have few keys; many are read in large pages.
    for (let from = toColumn(prefix), size = firstPage; ; size = laterPage) {
      const values = [this.#clock(), from, size];
      const rows =
        end === undefined
          ? await this.#client.query(this.#reads.keysFrom, values)
          : await this.#client.query(this.#reads.keysBetween, [...values, end]);
      for (const row of rows) if (row.live === true) yield fromColumn(String(row.key));
      const last = rows[size - 1];
      if (last === undefined) return;
      from = after(String(last.key));
    }
  }

  async now(): Promise<number> {
    const [row] = await this.#client.query(this.#reads.now, [this.#clock()]);
    return Number(row?.now);
  }

  async getAt(key: string, at: number): Promise<StoredRecord | undefined> {
    const [row] = await this.#client.query(this.#reads.getAt, [this.#clock(), toColumn(key), at]);
    if (row?.found === true) return recordOf(row);
    if (row?.lost === true)
      throw new WarpError("HISTORY_UNAVAILABLE", "the version of that time is no longer kept", { port: "store", key });
    return undefined;
  }

  /** One round of the reaper, now: what the first call to the store also starts to do every `reapEvery`. */
  reap(): Promise<Reaped> {
    return this.#reaper.round();
  }

  /** Stops the reaper; resolves once it has. The client is its owner's to close. */
  close(): Promise<void> {
    return this.#reaper.close();
  }
}
