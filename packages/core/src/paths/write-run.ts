import { WarpError, type WarpErrorDetails } from "../errors.ts";
import { failureNaming } from "../mechanisms/guard.ts";
import { backoffMs } from "../mechanisms/retry.ts";
import type { StoreAccess } from "../mechanisms/store-access.ts";
import { abortedError, waitFor } from "../mechanisms/wait.ts";
import type { CommitAnswer, Mutation, StoredRecord } from "../ports/store.ts";
import { delay } from "../values/clock.ts";
import type { OperationId } from "../values/entry.ts";
import { type CommitRun, commitOnce } from "./commit.ts";
import { type Context, inBackground } from "./context.ts";

export interface WriteCall {
  /** The public call, for errors. */
  readonly operation: string;
  /** What this node writes one call at a time. */
  readonly keys: readonly string[];
  /** What errors name. Default: the only one of `keys`. Given where those are records that a caller does not know. */
  readonly key?: string | undefined;
  readonly signal: AbortSignal | undefined;
  /** Default: twice the store's deadline and one of the cache's; one of the quorum's more where there is one. */
  readonly timeoutMs: number | undefined;
  /** One of many independent writes, which share round trips. */
  readonly together?: boolean;
  /** Default `"records"`. See `CommitRun`. */
  readonly answer?: CommitAnswer;
  /** Whether other nodes are asked for their consent first: it takes so much longer. */
  readonly needsQuorum?: boolean;
}

const soleOf = (keys: readonly string[]): string | undefined => (keys.length === 1 ? keys[0] : undefined);

const unknownOutcome = (details: WarpErrorDetails, cause: unknown): WarpError =>
  new WarpError("OUTCOME_UNKNOWN", "the caller left while the commit was under way", {
    ...details,
    port: "store",
    cause,
  });

/**
 * Runs a write that outlives its caller's patience: before the commit is sent, giving up cancels it; after that the
 * call rejects `OUTCOME_UNKNOWN` and the write is settled in the background. Writes of one key take turns.
 */
export const runWrite = async <T>(
  context: Context,
  call: WriteCall,
  work: (run: CommitRun) => Promise<T>,
): Promise<T> => {
  const { operation, keys, signal } = call;
  const key = "key" in call ? call.key : soleOf(keys);
  const { storeDeadlineMs, cacheDeadlineMs, quorumDeadlineMs } = context.settings;
  const details = { operation, key };
  if (signal?.aborted === true) throw abortedError(signal, details);
  const { together = false, answer = "records" } = call;
  const run: CommitRun = { operation, key, sent: false, cancelled: false, together, answer };
  const held = keys.length === 1 ? context.locks.tryLock(keys[0] as string) : undefined;
  let release: () => void = held ?? (() => undefined);
  const job = (async () => {
    if (held === undefined) release = await context.locks.lockAll(keys);
    try {
      if (run.cancelled) throw new WarpError("ABORTED", "the caller left before its turn came", details);
      return await work(run);
    } finally {
      release();
    }
  })();
  let ended = false;
  let leave = (): void => undefined;
  const onEnd = (): void => {
    ended = true;
    leave();
  };
  leave = context.background.add(job.then(onEnd, onEnd));
  // Where no turn and no store is waited for, all that is has a deadline of its own: no timer for each write.
  const longestMs =
    held !== undefined && context.store === undefined
      ? Number.POSITIVE_INFINITY
      : 2 * storeDeadlineMs + cacheDeadlineMs + (call.needsQuorum === true ? quorumDeadlineMs : 0);
  try {
    return await waitFor(context.clock, job, { signal, timeoutMs: call.timeoutMs ?? longestMs, details });
  } catch (error) {
    if (ended) throw failureNaming(details, error);
    run.cancelled = true;
    // The order of writes is the store's (rule 1): the turn only saves conflicts, so nobody waits for a lost cause.
    release();
    if (!run.sent) throw error;
    inBackground(context, operation, key, job);
    throw unknownOutcome(details, error);
  }
};

/** What a writer believes a key to hold: a guess until a commit that is conditional on it lands. */
export interface Known {
  readonly revision: string | undefined;
  /** Decoded; `undefined` if the key does not exist. */
  readonly value: unknown;
}

export interface WritePlan<T> {
  readonly mutations: readonly Mutation[];
  readonly result: T;
}

export interface Landed<T> {
  readonly result: T;
  /** As in `Settled`. */
  readonly records: readonly (StoredRecord | undefined)[];
  readonly operation: OperationId;
}

const pauses = { firstMs: 5, longestMs: 250 };

export interface WriteLoop<T> {
  readonly run: CommitRun;
  readonly store: StoreAccess;
  /** Where the caller names its operation: a repeated call finds that it has landed. */
  readonly operation: OperationId | undefined;
  /** Awaited before each attempt. */
  readonly ready?: (() => Promise<void>) | undefined;
  /** From what is believed of the keys, what to commit. May reject what it sees. */
  readonly plan: () => WritePlan<T>;
  /** Told what keys hold when they were not what was believed. */
  readonly learn: (conflicts: ReadonlyMap<string, StoredRecord | undefined>) => void;
}

/** Plan, commit on condition that the plan's beliefs hold, learn and plan again where they did not (rule 5). */
export const commitLoop = async <T>(
  context: Context,
  { run, store, operation, ready, plan, learn }: WriteLoop<T>,
): Promise<Landed<T>> => {
  for (let attempt = 0; ; attempt++) {
    if (ready !== undefined) await ready();
    const { mutations, result } = plan();
    const settled = await commitOnce(context, store, run, operation, mutations);
    if (settled.kind === "landed") return { result, records: settled.records, operation: settled.operation };
    learn(settled.conflicts);
    // Losing once is the price of guessing instead of reading first.
    if (attempt > 0) await delay(context.clock, backoffMs(attempt - 1, context.random, pauses));
  }
};
