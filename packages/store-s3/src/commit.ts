import {
  type CallOptions,
  conflictError,
  type Mutation,
  nextTimestamp,
  type OperationId,
  rememberedOperations,
  type StoredRecord,
  WarpError,
} from "@warp/core";
import { within } from "./deadline.ts";
import { isLost, isRefusal, unavailable } from "./failures.ts";
import type { Standing } from "./intents.ts";
import type { S3StoreSettings } from "./options.ts";
import type { Past } from "./past.ts";
import type { Records } from "./records.ts";
import type { Condition } from "./requests.ts";
import { type RecordHeader, recordAt, type Version } from "./version.ts";

type WriteMutation = Exclude<Mutation, { readonly kind: "check" }>;

interface Attempt {
  readonly operation: OperationId;
  readonly mutation: WriteMutation;
  readonly value: Uint8Array;
  readonly signal: AbortSignal;
}

const noBytes = new Uint8Array(0);

/** How often one commit is sent anew after a clear "no" of the server to which no other record answers. */
const mostRounds = 6;

const revisionOf = ({ version }: Standing): string | undefined => version?.header.revision;

/** Whether the record's operations reach back to what the attempt was conditional on: then its own would be among them. */
const tellsAll = ({ operations }: RecordHeader, expected: string | undefined): boolean =>
  expected === undefined ? operations.length < rememberedOperations : operations.includes(expected);

const conditionOf = ({ etag }: Standing): Condition => (etag === undefined ? "absent" : { etag });

/** Commits one key, under a condition that the server checks. */
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
    mutations: readonly Mutation[],
    options?: CallOptions,
  ): Promise<readonly (StoredRecord | undefined)[]> {
    const [mutation, second] = mutations;
    if (mutation === undefined) return [];
    if (second !== undefined)
      throw new WarpError("UNSUPPORTED", "S3 commits one key at a time", { port: "store", key: second.key });
    // The caller may change its bytes as soon as it has called.
    const value = mutation.kind === "put" ? Uint8Array.from(mutation.value) : noBytes;
    return await within(this.#settings.timers, options, async (signal) => [
      mutation.kind === "check"
        ? await this.#check(mutation.key, mutation.expected, signal)
        : await this.#write({ operation, mutation, value, signal }),
    ]);
  }

  async #check(key: string, expected: string | undefined, signal: AbortSignal): Promise<StoredRecord | undefined> {
    const standing = await this.#beforeSending(key, () => this.#records.read(key, signal));
    if (revisionOf(standing) !== expected) throw this.#conflict(key, standing);
    return standing.version && recordAt(standing.version, this.#records.shownTime());
  }

  async #write(attempt: Attempt): Promise<StoredRecord> {
    const { mutation, signal } = attempt;
    const { key } = mutation;
    let standing = await this.#beforeSending(key, () => this.#standing(attempt));
    for (let round = 1; ; round += 1) {
      if (revisionOf(standing) !== mutation.expected) throw this.#conflict(key, standing);
      const version = await this.#beforeSending(key, () => this.#prepare(attempt, standing.version));
      try {
        await this.#records.write(key, version, conditionOf(standing), signal);
      } catch (error) {
        standing = await this.#afterFailure(attempt, error, round);
        continue;
      }
      this.#past.trim(key, version.header);
      return recordAt({ ...version, value: Uint8Array.from(version.value) }, version.header.committedAt);
    }
  }

  /** What the key holds: from memory, if that is enough, since the server checks it anyway. */
  async #standing({ mutation, signal }: Attempt): Promise<Standing> {
    const { key, expected, history } = mutation;
    if (expected === undefined) return { etag: undefined, version: undefined, hasIntent: false };
    const hint = history === undefined ? this.#records.remembered(key, expected) : undefined;
    if (hint === undefined) return await this.#records.readToWrite(key, signal);
    return { etag: hint.etag, version: { header: hint.header, value: noBytes }, hasIntent: false };
  }

  /** The record that is to stand, dated above the one that does; what it supersedes is in its place before. */
  async #prepare({ operation, mutation, value, signal }: Attempt, before: Version | undefined): Promise<Version> {
    const now = await this.#records.now(signal);
    const former = before?.header;
    // A millisecond apart at least, so that nodes whose clocks differ keep a past in which each version stood.
    const committedAt = Math.max(now, former === undefined ? 0 : former.committedAt + 1);
    const ttlMs = mutation.kind === "put" ? (mutation.ttlMs ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY;
    const kept = await this.#past.keep(mutation, before, committedAt, signal);
    const header: RecordHeader = {
      isTombstone: mutation.kind === "delete",
      revision: operation,
      timestamp: nextTimestamp(now, mutation.timestamp.node, former?.timestamp),
      committedAt,
      operations: [operation, ...(former?.operations ?? []).slice(0, rememberedOperations - 1)],
      expiresAt: ttlMs === Number.POSITIVE_INFINITY ? undefined : committedAt + ttlMs,
      createdAt: former?.createdAt ?? committedAt,
      ...kept,
    };
    return { header, value };
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

  #conflict(key: string, { version }: Standing): WarpError {
    return conflictError(new Map([[key, version && recordAt(version, this.#records.shownTime())]]));
  }

  /** Whatever fails here, the commit has not been sent. */
  async #beforeSending<T>(key: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw WarpError.is(error) ? error : unavailable(key, error);
    }
  }
}
