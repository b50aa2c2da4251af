import { limited, onlyLimits, requireFunction } from "./call-options.ts";
import { WarpError } from "./errors.ts";
import { backoffMs } from "./mechanisms/retry.ts";
import { abortedError, deadlineError, waitFor } from "./mechanisms/wait.ts";
import type { Context } from "./paths/context.ts";
import type { Transaction } from "./paths/transaction.ts";
import { delay } from "./values/clock.ts";
import { requireKnownFields, wholeNumber } from "./values/invalid.ts";
import { type CallLimits, limitsOf } from "./values/limits.ts";

/** The keys that a `Warp<Keys>` takes. */
export type KeyOf<Keys> = Extract<keyof Keys, string>;

/**
 * Several keys, all or nothing, at the store. Made by `warp.txn()`, used once; nothing is sent before `commit`.
 */
export class TypedTransaction<Keys extends object = Record<string, unknown>> {
  readonly #transaction: Transaction;

  /** @internal */
  constructor(transaction: Transaction) {
    this.#transaction = transaction;
  }

  /**
   * What the key holds in this transaction, its own writes included; `undefined` if it does not exist. Asks the store,
   * and the commit fails with `CONFLICT` if the key has changed by then.
   */
  async get<K extends KeyOf<Keys>>(key: K, options?: CallLimits): Promise<Keys[K] | undefined> {
    const work = (): Promise<unknown> => this.#transaction.get(key);
    return (await limited(this.#transaction, "txn", options, work)) as Keys[K] | undefined;
  }

  /** Writes a value, merged with what is there as the key's registration says. */
  set<K extends KeyOf<Keys>>(key: K, value: Keys[K]): this {
    this.#transaction.set(key, value);
    return this;
  }

  /** Removes a key. */
  delete(key: KeyOf<Keys>): this {
    this.#transaction.delete(key);
    return this;
  }

  /**
   * Puts `next` where the key holds a value deep-equal to `expected`; else the commit fails with `CAS_MISMATCH`.
   * @param expected `undefined`: the key must not exist. @param next `undefined`: remove it.
   */
  compareAndSwap<K extends KeyOf<Keys>>(key: K, expected: Keys[K] | undefined, next: Keys[K] | undefined): this {
    this.#transaction.compareAndSwap(key, expected, next);
    return this;
  }

  /**
   * Applies everything or nothing.
   * @throws {WarpError} `CAS_MISMATCH` and `CONFLICT` with `keys`; `UNSUPPORTED` for several keys on a store without atomic
   *   batches; `OUTCOME_UNKNOWN`; `CLOSED` if it was committed or rolled back before.
   */
  async commit(options: CallLimits = {}): Promise<void> {
    await this.#transaction.commit(onlyLimits("commit", options));
  }

  /** Forgets everything. */
  rollback(): void {
    this.#transaction.rollback();
  }
}

/** `signal` and `hardTimeout` hold for the whole call: the function, every attempt, and the pauses between them. */
export interface TransactionOptions extends CallLimits {
  /** How often to start again after a `CONFLICT`. Default 5. */
  readonly retries?: number;
}

const pauses = { firstMs: 5, longestMs: 250 };

/** Runs `work` in a transaction and commits it, again from the start where somebody else was quicker. */
export const runTransaction = async <T, Tx extends { commit(options?: CallLimits): Promise<void>; rollback(): void }>(
  context: Context,
  begin: () => Tx,
  work: (transaction: Tx) => T | Promise<T>,
  options: TransactionOptions,
): Promise<T> => {
  requireFunction("work", work);
  requireKnownFields("transaction", options, ["retries", "signal", "hardTimeout"]);
  const { retries = 5, ...limits } = options;
  wholeNumber("retries", retries, 0);
  const { signal, timeoutMs } = limitsOf(limits);
  const { clock, random } = context;
  const details = { operation: "transaction" };
  const endsAt = clock.monotonic() + (timeoutMs ?? Number.POSITIVE_INFINITY);
  const leftMs = (): number => endsAt - clock.monotonic();
  const inTime = <R>(work: () => R | Promise<R>): Promise<R> => {
    if (signal?.aborted === true) throw abortedError(signal, details);
    // Inside an async function one that throws rejects like one whose promise does.
    return waitFor(clock, (async () => work())(), { signal, timeoutMs: leftMs(), details });
  };
  for (let attempt = 0; ; attempt++) {
    const transaction = begin();
    try {
      const result = await inTime(() => work(transaction));
      if (timeoutMs === undefined) await transaction.commit(limits);
      else if (leftMs() > 0) await transaction.commit({ ...limits, hardTimeout: Math.ceil(leftMs()) });
      else throw deadlineError(timeoutMs, details);
      return result;
    } catch (error) {
      transaction.rollback();
      if (!WarpError.has(error, "CONFLICT") || attempt >= retries) throw error;
    }
    await inTime(() => delay(clock, backoffMs(attempt, random, pauses)));
  }
};
