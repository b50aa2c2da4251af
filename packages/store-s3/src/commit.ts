import {
  type CallOptions,
  conflictError,
  type Mutation,
  type OperationId,
  rememberedOperations,
  type StoredRecord,
  WarpError,
} from "@warp/core";
import { within } from "./deadline.ts";
import { beforeSending, isLost, isRefusal, unavailable } from "./failures.ts";
import type { Standing } from "./intents.ts";
import type { S3StoreSettings } from "./options.ts";
import type { Past } from "./past.ts";
import type { Records } from "./records.ts";
import type { Condition } from "./requests.ts";
import { bytesOf, commitTime, successorOf, type WriteMutation } from "./successor.ts";
import { type RecordHeader, recordAt, type Version } from "./version.ts";

interface Attempt {
  readonly operation: OperationId;
  readonly mutation: WriteMutation;
  readonly value: Uint8Array;
  readonly signal: AbortSignal;
}

const noBytes = new Uint8Array(0);

/**
 * How often one commit is sent anew under the same tag, after a clear "no" of the server to which no other record
 * answers. As long as the tag changes, with the intents of transactions, others get on.
 */
const mostRounds = 6;

/** The revision that stands. */
export const revisionOf = ({ version }: Standing): string | undefined => version?.header.revision;

/** Whether the record's operations reach back to what the attempt was conditional on: then its own would be among them. */
const tellsAll = ({ operations }: RecordHeader, expected: string | undefined): boolean =>
  expected === undefined ? operations.length < rememberedOperations : operations.includes(expected);

/** That nothing has touched the object since. */
export const conditionOf = ({ etag }: Pick<Standing, "etag">): Condition => (etag === undefined ? "absent" : { etag });

/** Commits one key, by one put under a condition that the server checks. */
export class Committer {
  readonly #records: Records;
  readonly #past: Past;
  readonly #settings: S3StoreSettings;

  constructor(records: Records, past: Past, settings: S3StoreSettings) {
    this.#records = records;
    this.#past = past;
    this.#settings = settings;
  }

  async commit(
    operation: OperationId,
    mutation: Mutation,
    options: CallOptions | undefined,
  ): Promise<StoredRecord | undefined> {
    const value = bytesOf(mutation);
    return await within(this.#settings.timers, options, async (signal) =>
      mutation.kind === "check"
        ? await this.#check(mutation.key, mutation.expected, signal)
        : await this.#write({ operation, mutation, value, signal }),
    );
  }

  async #check(key: string, expected: string | undefined, signal: AbortSignal): Promise<StoredRecord | undefined> {
    const standing = await beforeSending(key, () => this.#records.read(key, signal));
    if (revisionOf(standing) !== expected) throw this.#conflict(key, standing);
    return this.#records.record(standing);
  }

  async #write(attempt: Attempt): Promise<StoredRecord> {
    const { mutation, signal } = attempt;
    const { key } = mutation;
    let standing = await beforeSending(key, () => this.#standing(attempt));
    for (let round = 1; ; round += 1) {
      if (revisionOf(standing) !== mutation.expected) throw this.#conflict(key, standing);
      const version = await beforeSending(key, () => this.#prepare(attempt, standing.version));
      try {
        await this.#records.write(key, version, conditionOf(standing), signal);
      } catch (error) {
        const { etag } = standing;
        standing = await this.#afterFailure(attempt, error, round);
        if (standing.etag !== etag) round = 0;
        continue;
      }
      this.#past.trim(key, version.header);
      return recordAt({ ...version, value: Uint8Array.from(version.value) }, version.header.committedAt);
    }
  }

  /** What the key holds: from memory, if that is enough, since the server checks it anyway. */
  async #standing({ mutation, signal }: Attempt): Promise<Standing> {
    const { key, expected, history } = mutation;
    if (expected === undefined) return { etag: undefined, version: undefined, claim: undefined };
    const hint = history === undefined ? this.#records.remembered(key, expected) : undefined;
    if (hint === undefined) return await this.#records.readToWrite(key, signal);
    return { etag: hint.etag, version: { header: hint.header, value: noBytes }, claim: undefined };
  }

  /** The record that is to stand, dated above the one that does; what it supersedes is in its place before. */
  async #prepare(attempt: Attempt, before: Version | undefined): Promise<Version> {
    const now = await this.#records.now(attempt.signal);
    const committedAt = commitTime(now, [before]);
    const kept = await this.#past.keep(attempt.mutation, before, committedAt, attempt.signal);
    return successorOf(attempt, before?.header, now, committedAt, kept);
  }

  /**
   * The put got no plain yes: reads back, and decides (rule 5 of `docs/consistency.md`).
   * @returns What stands, if the put has certainly not landed and what it was conditional on still stands.
   * @throws {WarpError} If it has certainly not landed, or if the record names this very operation.
   * @throws The failure itself, if it may have landed, or may still.
   */
  async #afterFailure(attempt: Attempt, failure: unknown, round: number): Promise<Standing> {
    const { operation, mutation, signal } = attempt;
    const { key, expected } = mutation;
    // A WarpError: it was never sent.
    if (WarpError.is(failure)) throw failure;
    if (isRefusal(failure)) throw unavailable(key, failure);
    this.#records.forget(key);
    const lost = isLost(failure);
    const standing = await this.#records.readToWrite(key, signal).catch((error: unknown) => {
      // Nobody knows what stands: only a definite no is an answer then.
      if (!lost) throw failure;
      throw WarpError.is(error) ? error : unavailable(key, failure);
    });
    const header = standing.version?.header;
    // Perhaps by this very put, perhaps by an earlier one: whoever named the operation knows it by its name.
    if (header?.operations.includes(operation) === true) throw this.#conflict(key, standing);
    if (header?.revision !== expected) {
      if (lost || (header !== undefined && tellsAll(header, expected))) throw this.#conflict(key, standing);
      throw failure;
    }
    if (!lost) throw failure;
    if (round >= mostRounds) throw unavailable(key, failure);
    return standing;
  }

  #conflict(key: string, standing: Standing): WarpError {
    return conflictError(new Map([[key, this.#records.record(standing)]]));
  }
}
