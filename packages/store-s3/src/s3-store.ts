import {
  type CallOptions,
  type History,
  type Mutation,
  type OperationId,
  type Revision,
  type Store,
  type StoredRecord,
  WarpError,
} from "@warp/core";
import { Background } from "./background.ts";
import { BatchCommitter } from "./batch.ts";
import { Committer } from "./commit.ts";
import { within } from "./deadline.ts";
import { Forgotten } from "./forgotten.ts";
import { Gate } from "./gate.ts";
import { Listing } from "./listing.ts";
import { type S3StoreOptions, type S3StoreSettings, settingsOf } from "./options.ts";
import { Past } from "./past.ts";
import { Reaper } from "./reaper.ts";
import { Records } from "./records.ts";
import { Requests } from "./requests.ts";
import type { S3Sender } from "./s3-client.ts";
import { Snapshots } from "./snapshots.ts";
import { Sweeper } from "./sweeper.ts";
import { Transactions } from "./transactions.ts";
import { verify } from "./verify.ts";

/**
 * Warp's records as objects of a bucket, their past as objects beside them.
 *
 * A record is one object, whole: a commit is one conditional put (`If-None-Match: *`, `If-Match`), so the server must
 * honour these; see `verify`. A commit of several keys is one such put too, on an object of its own that the keys'
 * objects refer to. Failures of a commit that certainly changed nothing are `UNAVAILABLE` with the client's
 * error as `cause`; every other failure is the client's own, and the commit may then have landed, or may still.
 */
export class S3Store implements Store, History {
  readonly portVersion = 1;
  readonly atomicBatch = true;
  /** Each key is a request of its own, and several in one commit are a transaction. */
  readonly sharedRoundTrips = false;
  readonly conditionalDelete: boolean;
  readonly landsWithinMs: number;
  readonly #settings: S3StoreSettings;
  readonly #requests: Requests;
  readonly #records: Records;
  readonly #snapshots: Snapshots;
  readonly #committer: Committer;
  readonly #batches: BatchCommitter;
  readonly #listing: Listing;
  readonly #past: Past;
  readonly #reaper: Reaper;
  readonly #background: Background;

  /**
   * No I/O.
   * @param client Made by the caller, who also closes it, after `close()`.
   * @throws {WarpError} `INVALID_ARGUMENT` naming the option; `UNSUPPORTED` for another client.
   */
  constructor(client: S3Sender, options: S3StoreOptions) {
    if (typeof (client as Partial<S3Sender> | undefined)?.send !== "function")
      throw new WarpError("UNSUPPORTED", "S3Store needs an S3Client of @aws-sdk/client-s3 3: send is missing");
    const settings = settingsOf(options);
    if (client.config?.cacheMiddleware === true)
      throw new WarpError(
        "INVALID_ARGUMENT",
        "the client must not be made with cacheMiddleware: a commit could not turn its retries off",
      );
    this.conditionalDelete = settings.conditionalDelete;
    this.landsWithinMs = settings.landsWithinMs;
    this.#settings = settings;
    this.#requests = new Requests(client, { ...settings, gate: new Gate(settings.concurrency) });
    const background = new Background(settings.onBackgroundError);
    const transactions = new Transactions(this.#requests, settings.names, settings.timers);
    const records = new Records(this.#requests, transactions, background, settings);
    const forgotten = new Forgotten(this.#requests, settings);
    const past = new Past(this.#requests, records, forgotten, background, settings);
    const snapshots = new Snapshots(records);
    const sweeper = new Sweeper(this.#requests, records, transactions, settings);
    this.#background = background;
    this.#records = records;
    this.#past = past;
    this.#snapshots = snapshots;
    this.#committer = new Committer(records, past, settings);
    this.#batches = new BatchCommitter({ records, past, transactions, snapshots, background }, settings);
    this.#listing = new Listing(this.#requests, records, settings);
    this.#reaper = new Reaper(this.#requests, records, past, forgotten, sweeper, settings);
  }

  /**
   * One GET; without the value's bytes where `unless` stands and this process has seen that record before. Two, and the
   * whole record, `underIntent`, where a transaction's intent is on the key: as if a pending one had not happened yet.
   */
  async get(key: string, unless?: Revision, options?: CallOptions): Promise<StoredRecord | "unchanged" | undefined> {
    this.#reaper.start();
    return await this.#within(options, async (signal) =>
      this.#records.shown(await this.#records.readUnless(key, unless, signal), unless),
    );
  }

  /**
   * One state of all keys. Two GETs for each (one for a single key), side by side and the second without the bytes; one
   * more of all for each time that one of them changed meanwhile, until the call's deadline. It waits for no writer.
   */
  async getMany(
    keys: readonly string[],
    unless: readonly (Revision | undefined)[] = [],
    options?: CallOptions,
  ): Promise<readonly (StoredRecord | "unchanged" | undefined)[]> {
    this.#reaper.start();
    return await this.#within(options, async (signal) => {
      const standings = await this.#snapshots.read(keys, unless, signal);
      return standings.map((standing, index) => this.#records.shown(standing, unless[index]));
    });
  }

  /**
   * As `Store.commit`. One key: one PUT where this process remembers what it replaces, or replaces nothing; else a GET
   * and a PUT; a GET and two PUTs where the version before is kept; one GET more for whoever loses a race.
   *
   * Several keys: a transaction. A GET for each key that has a record, two PUTs for each key, checks included, and two
   * PUTs more, one after the other: 5 round trips; with history a PUT for each version that is kept. Checks alone are
   * read as by `getMany`.
   * @throws {WarpError} `CONFLICT`; `UNAVAILABLE` if it certainly changed nothing.
   * @throws Anything else: the commit may have landed, or may still.
   */
  async commit(
    operation: OperationId,
    mutations: readonly Mutation[],
    options?: CallOptions,
  ): Promise<readonly (StoredRecord | undefined)[]> {
    this.#reaper.start();
    const [mutation, second] = mutations;
    if (mutation === undefined) return [];
    if (second !== undefined) return await this.#batches.commit(operation, mutations, options);
    return [await this.#committer.commit(operation, mutation, options)];
  }

  /** A LIST for each 1 000 keys, in the order of the objects' names, and a GET for each value that has an expiry. */
  keys(prefix: string, options?: CallOptions): AsyncGenerator<string, void, undefined> {
    return this.#listing.keys(prefix, options);
  }

  /** One HEAD of the bucket. */
  async now(options?: CallOptions): Promise<number> {
    return await this.#within(options, async (signal) => {
      await this.#requests.head(signal);
      return this.#records.shownTime();
    });
  }

  /** One GET for what stands or never was; else a GET or two more, and a LIST. */
  async getAt(key: string, at: number, options?: CallOptions): Promise<StoredRecord | undefined> {
    return await this.#past.getAt(key, at, options);
  }

  /**
   * Tries whether the server keeps its word on conditions, on objects of its own that it removes afterwards: about
   * thirty requests. To be called once, before the store is trusted with anything: many that speak S3 ignore
   * conditions, and writes are lost without a sound.
   * @throws {WarpError} `UNSUPPORTED` naming what does not hold.
   */
  async verify(options?: CallOptions): Promise<void> {
    await this.#within(options, (signal) => verify(this.#requests, this.#settings, signal));
  }

  /**
   * One step of the reaper, now: a LIST of tombstones where `conditionalDelete` holds, and one of transactions; a GET or
   * two for each that is old, a GET for each key of an old transaction, and a DELETE for each object that goes.
   * @returns How many went: no tombstones where `conditionalDelete` is false.
   */
  async reap(options?: CallOptions): Promise<number> {
    return await this.#within(options, (signal) => this.#reaper.step(signal));
  }

  /** Ends what goes on in the background; resolves once it has. The client is its owner's to close. */
  async close(): Promise<void> {
    await Promise.all([this.#reaper.close(), this.#background.close()]);
  }

  #within<T>(options: CallOptions | undefined, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return within(this.#settings.timers, options, work);
  }
}
