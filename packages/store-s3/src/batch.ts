import {
  type CallOptions,
  conflictError,
  type Mutation,
  type OperationId,
  type StoredRecord,
  WarpError,
} from "@warp/core";
import type { Background } from "./background.ts";
import { orAborted, within } from "./deadline.ts";
import { beforeSending, unavailable } from "./failures.ts";
import type { Standing } from "./intents.ts";
import type { S3StoreSettings } from "./options.ts";
import type { Past } from "./past.ts";
import { Claims, hasMoved, type Piece, pieceOf } from "./pieces.ts";
import type { Records } from "./records.ts";
import type { Snapshots } from "./snapshots.ts";
import { bytesOf, commitTime, successorOf } from "./successor.ts";
import type { OwnTransaction, Transactions } from "./transactions.ts";
import { recordAt } from "./version.ts";

interface Attempt {
  readonly operation: OperationId;
  readonly mutations: readonly Mutation[];
  readonly values: readonly Uint8Array[];
  /** When the commit must have been sent, on the monotonic clock. */
  readonly endsAt: number;
  readonly signal: AbortSignal;
}

interface Parts {
  readonly records: Records;
  readonly past: Past;
  readonly transactions: Transactions;
  readonly snapshots: Snapshots;
  readonly background: Background;
}

/** That there is no record is left to the put of the intent to find out. */
const unseen: Standing = { etag: undefined, version: undefined, claim: undefined };

/** By their UTF-16 units: the same on every node. */
const inOrder = (pieces: readonly Piece[]): readonly Piece[] =>
  [...pieces].sort((one, other) => (one.key < other.key ? -1 : 1));

/**
 * Commits several keys, all or none: `docs/consistency.md`, "Transactions on S3".
 *
 * All keys are read; the transaction's object is created, pending; an intent is put on every key, checks included, each
 * only where what was read still stands; one put on the transaction's object decides; each key is tidied up. Whatever
 * ends half-way, whoever comes next finishes.
 */
export class BatchCommitter {
  readonly #parts: Parts;
  readonly #claims: Claims;
  readonly #settings: S3StoreSettings;

  constructor(parts: Parts, settings: S3StoreSettings) {
    this.#parts = parts;
    this.#claims = new Claims(parts.records);
    this.#settings = settings;
  }

  async commit(
    operation: OperationId,
    mutations: readonly Mutation[],
    options: CallOptions | undefined,
  ): Promise<readonly (StoredRecord | undefined)[]> {
    const { timers, transactionDeadlineMs } = this.#settings;
    const timeoutMs = Math.min(options?.timeoutMs ?? Number.POSITIVE_INFINITY, transactionDeadlineMs);
    const values = mutations.map(bytesOf);
    const endsAt = timers.monotonic() + timeoutMs;
    return await within(timers, { signal: options?.signal, timeoutMs }, async (signal) => {
      const attempt = { operation, mutations, values, endsAt, signal };
      return mutations.every(({ kind }) => kind === "check") ? await this.#check(attempt) : await this.#write(attempt);
    });
  }

  /** Checks alone need no transaction: they hold if all did at one moment. */
  async #check({ operation, mutations, signal }: Attempt): Promise<readonly (StoredRecord | undefined)[]> {
    const keys = mutations.map(({ key }) => key);
    const standings = await beforeSending(undefined, () => this.#parts.snapshots.read(keys, [], signal));
    const pieces = standings.map((standing, index) => pieceOf(mutations[index] as Mutation, standing));
    if (pieces.some(hasMoved)) throw await this.#conflict(operation, pieces, signal);
    return standings.map((standing) => this.#parts.records.record(standing));
  }

  async #write(attempt: Attempt): Promise<readonly (StoredRecord | undefined)[]> {
    const { operation, mutations, signal, endsAt } = attempt;
    const { transactions } = this.#parts;
    const pieces = await beforeSending(undefined, () => Promise.all(mutations.map((one) => this.#read(one, signal))));
    if (pieces.some(hasMoved)) throw await this.#conflict(operation, pieces, signal);
    await beforeSending(undefined, () => this.#prepare(attempt, pieces));
    const ordered = inOrder(pieces);
    const transaction = await beforeSending(undefined, () =>
      transactions.begin(
        ordered.map(({ key }) => key),
        Math.max(0, endsAt - this.#settings.timers.monotonic()),
        signal,
      ),
    );
    const outcome = await this.#decide(transaction, ordered, signal).catch((error: unknown) => {
      void this.#giveUp(transaction, ordered);
      throw error;
    });
    if (outcome === "committed") {
      await this.#tidy(transaction, ordered, signal);
      return pieces.map((piece) => this.#answer(piece));
    }
    const ended = this.#giveUp(transaction, ordered);
    const failure =
      outcome === "moved"
        ? await this.#conflict(operation, pieces, signal)
        : unavailable(undefined, new Error("another writer ended the transaction, whose time was over"));
    await orAborted(ended, signal).catch(() => {});
    throw failure;
  }

  /** What the key holds, and nobody in the way. */
  async #read(mutation: Mutation, signal: AbortSignal): Promise<Piece> {
    if (mutation.expected === undefined) return pieceOf(mutation, unseen);
    return pieceOf(mutation, await this.#parts.records.readToWrite(mutation.key, signal));
  }

  /** One date for all, above that of each record that stands; what they supersede is in its place before. */
  async #prepare({ operation, values, signal }: Attempt, pieces: readonly Piece[]): Promise<void> {
    const { records, past } = this.#parts;
    const now = await records.now(signal);
    const written = pieces.filter(({ mutation }) => mutation.kind !== "check");
    const committedAt = commitTime(
      now,
      written.map(({ standing }) => standing.version),
    );
    const prepare = async (piece: Piece, value: Uint8Array): Promise<void> => {
      const { mutation, standing } = piece;
      if (mutation.kind === "check") return;
      const kept = await past.keep(mutation, standing.version, committedAt, signal);
      piece.next = successorOf({ operation, mutation, value }, standing.version?.header, now, committedAt, kept);
    };
    await Promise.all(pieces.map((piece, index) => prepare(piece, values[index] as Uint8Array)));
  }

  /** @throws {WarpError} `UNAVAILABLE` if it is certainly not committed. @throws Anything else: nobody knows. */
  async #decide(
    transaction: OwnTransaction,
    pieces: readonly Piece[],
    signal: AbortSignal,
  ): Promise<"committed" | "aborted" | "moved"> {
    const stand = await beforeSending(undefined, () => this.#claims.place(transaction, pieces, signal));
    if (!stand) return "moved";
    return await this.#parts.transactions.commit(transaction, signal);
  }

  /** Ends the transaction, if nobody has; then tidies up, in the background. */
  #giveUp(transaction: OwnTransaction, pieces: readonly Piece[]): Promise<void> {
    return this.#parts.background.run(async (signal) => {
      const end = await this.#parts.transactions.abort(transaction, signal);
      await this.#claims.tidy(transaction, pieces, end === "committed", signal);
    });
  }

  /** Waits for it no longer than the call lasts: whoever meets what is left goes on with it. */
  async #tidy(transaction: OwnTransaction, pieces: readonly Piece[], signal: AbortSignal): Promise<void> {
    const { background, past } = this.#parts;
    const tidying = background.run((closing) => this.#claims.tidy(transaction, pieces, true, closing));
    await orAborted(tidying, signal).catch(() => {});
    for (const { key, next } of pieces) if (next !== undefined) past.trim(key, next.header);
  }

  #answer({ standing, next }: Piece): StoredRecord | undefined {
    if (next === undefined) return this.#parts.records.record({ ...standing, claim: undefined });
    return recordAt({ ...next, value: Uint8Array.from(next.value) }, next.header.committedAt);
  }

  /**
   * Names every key that moved. Where one has this very operation, an earlier sending of it had landed: then it names
   * all, as they stand since.
   */
  async #conflict(operation: OperationId, pieces: readonly Piece[], signal: AbortSignal): Promise<WarpError> {
    const { records } = this.#parts;
    const readOne = async (piece: Piece): Promise<Piece> => ({
      ...piece,
      standing: await records.read(piece.key, signal),
    });
    let known: readonly Piece[] = await beforeSending(undefined, () =>
      Promise.all(pieces.map((piece) => (piece.standing === unseen ? readOne(piece) : piece))),
    );
    const hasLanded = known.some(({ standing }) => standing.version?.header.operations.includes(operation) === true);
    if (hasLanded)
      known = await Promise.all(pieces.map(readOne)).catch((cause: unknown) => {
        // No WarpError, which would say that nothing has happened.
        throw WarpError.is(cause) ? new Error("the commit had landed; it could not be read back", { cause }) : cause;
      });
    const named = hasLanded ? known : known.filter(hasMoved);
    return conflictError(new Map(named.map(({ key, standing }) => [key, records.record(standing)])));
  }
}
