import { WarpError } from "../errors.ts";
import type { OperationId, Revision } from "../values/entry.ts";
import type { Timestamp } from "../values/timestamp.ts";
import type { CallOptions } from "./call-options.ts";

/** How many operation ids a record remembers. */
export const rememberedOperations = 16;

/** What a store holds for a key: a value or a tombstone. */
export interface StoredRecord {
  /** `undefined` for a tombstone: deleted, expired, or a creation that was aborted. */
  readonly value: Uint8Array | undefined;
  /** The id of the operation that wrote it, or a new random one if a foreign writer did. Never comes back along a key. */
  readonly revision: Revision;
  /** Grows along a key, in commit order. */
  readonly timestamp: Timestamp;
  /** Commit time by the store's clock, in milliseconds since the epoch. Never goes back along a key. */
  readonly committedAt: number;
  /**
   * The ids of the last `rememberedOperations` operations on the key, newest first: the first is `revision`. In a commit's
   * answer a store may leave out all but that, which its caller knows.
   */
  readonly operations: readonly OperationId[];
  /** When the value expires by the store's clock, in milliseconds since the epoch; `undefined` for never. */
  readonly expiresAt: number | undefined;
  /**
   * Read under a transaction's intent: it stands for this moment only, core caches it in no tier. Such a record is
   * answered whole, never by `"unchanged"`, also where it has the revision that was asked about.
   */
  readonly underIntent?: true;
}

/** What is kept of a key's past. Both bounds hold; what neither bounds is kept for ever. */
export interface HistoryRetention {
  /** How many former versions are kept. */
  readonly versions: number | undefined;
  /** How long a former version is kept after it was superseded, in milliseconds. */
  readonly maxAgeMs: number | undefined;
}

interface Expectation {
  readonly key: string;
  /** The revision (of a value or a tombstone) that must stand; `undefined`: there must be no record at all. */
  readonly expected: Revision | undefined;
}

interface Write extends Expectation {
  /** The writer's own reading; a store with a clock puts its own in place of `micros`. Either is raised above the stored one. */
  readonly timestamp: Timestamp;
  /** Whether, and how long, the version that this write supersedes is kept. `undefined`: it is not. */
  readonly history: HistoryRetention | undefined;
}

export interface PutMutation extends Write {
  readonly kind: "put";
  readonly value: Uint8Array;
  /** How long the store keeps the value, from the commit on, by its own clock, in milliseconds; `undefined`: for ever. */
  readonly ttlMs: number | undefined;
}

/** Leaves a tombstone, also where there was nothing. */
export interface DeleteMutation extends Write {
  readonly kind: "delete";
}

/** Changes nothing, but the commit takes place only if the expectation holds. */
export interface CheckMutation extends Expectation {
  readonly kind: "check";
}

/** One key's part in a commit. Every one is conditional on `expected`. */
export type Mutation = PutMutation | DeleteMutation | CheckMutation;

/** What is asked of a commit that lands. */
export type CommitAnswer = "records" | "none";

/**
 * The authority. Records are opaque bytes with a timestamp and a revision; codecs, deadlines and retries are
 * core's work. A store that cannot answer rejects: `undefined` means that it said "never written".
 */
export interface Store {
  readonly portVersion: 1;
  /** Several keys in one commit, all or nothing. Where false, core refuses such commits. */
  readonly atomicBatch: boolean;
  /** Whether a record can be removed only where its revision still stands. Where false, tombstones stay for good. */
  readonly conditionalDelete: boolean;
  /**
   * Whether a call on several keys takes about one round trip. Where false, as on a store with a request for each key, core
   * sends reads and commits that have nothing to do with each other one by one. Default true.
   */
  readonly sharedRoundTrips?: boolean;
  /** The longest time after which a commit once sent can still take effect, in milliseconds. */
  readonly landsWithinMs: number;
  /**
   * @param unless If the record still has this revision and has not expired, resolves `"unchanged"` and moves no bytes.
   * @returns The record, or `undefined` if there is none. An expired value is a tombstone with the value's revision and
   *   `expiresAt`, by which it is told from one that was written.
   */
  get(key: string, unless?: Revision, options?: CallOptions): Promise<StoredRecord | "unchanged" | undefined>;
  /** One round trip and one state of the store, answers in the keys' order. @param unless For each key, as in `get`. */
  getMany(
    keys: readonly string[],
    unless?: readonly (Revision | undefined)[],
    options?: CallOptions,
  ): Promise<readonly (StoredRecord | "unchanged" | undefined)[]>;
  /**
   * Applies all mutations (of distinct keys) or none, each only where its expectation holds. Sent twice with the same
   * operation id it cannot land twice, since its own first landing moves the revision.
   * @param answer Default `"records"`. `"none"` is a hint: nobody reads the answer, and an adapter may resolve with an
   *   empty list where that is cheaper.
   * @returns What each key holds afterwards, in the mutations' order; `undefined` for a check of a key with no record.
   * @throws {WarpError} `CONFLICT` with `conflicts`, the keys that moved and what they hold now; nothing has changed.
   */
  commit(
    operation: OperationId,
    mutations: readonly Mutation[],
    options?: CallOptions,
    answer?: CommitAnswer,
  ): Promise<readonly (StoredRecord | undefined)[]>;
  /** Every key with a live value that begins with `prefix`, in no particular order, streamed. */
  keys(prefix: string, options?: CallOptions): AsyncIterable<string>;
  /** The store's clock, in milliseconds since the epoch. */
  now(options?: CallOptions): Promise<number>;
}

/** A `CONFLICT` as a store must throw it. */
export const conflictError = (conflicts: ReadonlyMap<string, StoredRecord | undefined>): WarpError =>
  new WarpError("CONFLICT", `another writer changed ${conflicts.size} of the keys first`, { port: "store", conflicts });

/** The records that a store's `CONFLICT` brought along; `undefined` for any other error. */
export const conflictsOf = (error: unknown): ReadonlyMap<string, StoredRecord | undefined> | undefined =>
  WarpError.has(error, "CONFLICT")
    ? (error.conflicts as ReadonlyMap<string, StoredRecord | undefined> | undefined)
    : undefined;
