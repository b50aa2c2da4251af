import type { Clock } from "@warp/core";
import { pause } from "./deadline.ts";
import type { ObjectNames } from "./object-names.ts";
import { decodeBody, type RecordBody } from "./record-body.ts";
import type { FoundObject, Requests } from "./requests.ts";
import type { TransactionEnd, TransactionObject, Transactions } from "./transactions.ts";
import type { Version } from "./version.ts";

/** A transaction's intent on an object. */
export interface Claim {
  readonly transaction: string;
  /** `"own"`: of the transaction on whose behalf the object was read; it was not asked. */
  readonly state: TransactionEnd | "pending" | "own";
  /** It ended so long ago that its writer will not tidy up any more. */
  readonly isLeft: boolean;
}

/** What a key's object amounts to. */
export interface Standing {
  /** The object's tag; `undefined` if there is no object. */
  readonly etag: string | undefined;
  /** What the key holds. */
  readonly version: Version | undefined;
  /** What it holds hangs on a transaction: the tag says nothing about it. */
  readonly claim: Claim | undefined;
}

interface Resolved extends Standing {
  /** The transaction under way, whose writer may still commit. */
  readonly pending?: TransactionObject;
}

const noObject: Standing = { etag: undefined, version: undefined, claim: undefined };

/** How often a writer looks whether a transaction that is in its way has ended, in milliseconds: ever more seldom. */
const firstPollMs = 10;
const longestPollMs = 100;

/** Reads records as of the transactions that claim them, and ends those that are in a writer's way. */
export class Intents {
  readonly #requests: Requests;
  readonly #names: ObjectNames;
  readonly #timers: Pick<Clock, "schedule">;
  readonly #transactions: Transactions;

  constructor(
    requests: Requests,
    transactions: Transactions,
    { names, timers }: { readonly names: ObjectNames; readonly timers: Pick<Clock, "schedule"> },
  ) {
    this.#requests = requests;
    this.#transactions = transactions;
    this.#names = names;
    this.#timers = timers;
  }

  /**
   * For readers: a pending transaction has not happened yet. What is returned stood at some moment of the call.
   * @param own The transaction on whose behalf the object was read.
   */
  async resolve(key: string, found: FoundObject | undefined, signal: AbortSignal, own?: string): Promise<Standing> {
    return await this.#resolve(key, found, signal, own);
  }

  /**
   * For writers: waits for a pending transaction until its deadline, then aborts it. What is resolved holds whoever
   * writes, since a transaction that has ended stays so.
   */
  async end(key: string, found: FoundObject | undefined, signal: AbortSignal): Promise<Standing> {
    for (let object = found, pollMs = firstPollMs; ; object = await this.#reread(key, signal)) {
      const { pending, ...standing } = await this.#resolve(key, object, signal);
      if (pending === undefined) return standing;
      const leftMs = pending.deadlineMs - pending.ageMs;
      if (leftMs <= 0) await this.#transactions.abort(pending, signal);
      else await pause(this.#timers, Math.min(leftMs, pollMs), signal);
      pollMs = Math.min(2 * pollMs, longestPollMs);
    }
  }

  async #resolve(key: string, found: FoundObject | undefined, signal: AbortSignal, own?: string): Promise<Resolved> {
    let object = found;
    for (let gone: string | undefined; ; object = await this.#reread(key, signal)) {
      if (object === undefined) return noObject;
      const body = decodeBody(object.bytes, key);
      const { etag } = object;
      const { version, intent } = body;
      if (intent === undefined) return { etag, version, claim: undefined };
      const { transaction } = intent;
      if (transaction === own) return { etag, version, claim: { transaction, state: "own", isLeft: false } };
      // Its object is removed only once every key is free of it: this key was, and what stands here came too late.
      if (transaction === gone) return { etag, version, claim: { transaction, state: "gone", isLeft: true } };
      const asked = await this.#transactions.read(transaction, signal);
      if (asked !== undefined) return outcome(etag, body, transaction, asked);
      gone = transaction;
    }
  }

  async #reread(key: string, signal: AbortSignal): Promise<FoundObject | undefined> {
    const object = await this.#requests.get(this.#names.record(key), signal);
    return object === "unchanged" ? undefined : object;
  }
}

const outcome = (
  etag: string,
  { version, intent }: RecordBody,
  transaction: string,
  asked: TransactionObject,
): Resolved => {
  const { state } = asked;
  if (state === "pending") return { etag, version, claim: { transaction, state, isLeft: false }, pending: asked };
  const claim: Claim = { transaction, state, isLeft: asked.ageMs > asked.deadlineMs };
  return { etag, version: state === "committed" ? (intent?.next ?? version) : version, claim };
};
