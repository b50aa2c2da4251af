import { type Clock, WarpError } from "@warp/core";
import { pause } from "./deadline.ts";
import { isLost } from "./failures.ts";
import type { ObjectNames } from "./object-names.ts";
import { decodeBody, type RecordBody } from "./record-body.ts";
import type { FoundObject, Requests } from "./requests.ts";
import type { Version } from "./version.ts";

/** What a transaction's object says. It is created pending, and ends by one conditional put. */
export interface TransactionState {
  readonly state: "pending" | "committed" | "aborted";
  /** Its writer does not commit later than this after it created the object, in milliseconds. */
  readonly deadlineMs: number;
  /** Every key that bears an intent of it. */
  readonly keys: readonly string[];
}

const formatVersion = 1;
const states: readonly unknown[] = ["pending", "committed", "aborted"];

/** JSON, so that a person can read what goes on. */
export const encodeTransaction = (transaction: TransactionState): Uint8Array =>
  new TextEncoder().encode(JSON.stringify({ version: formatVersion, ...transaction }));

/** @throws {WarpError} `CORRUPT`. */
export const decodeTransaction = (bytes: Uint8Array): TransactionState => {
  let cause: unknown;
  try {
    const { version, state, deadlineMs, keys } = JSON.parse(new TextDecoder().decode(bytes));
    if (version === formatVersion && states.includes(state) && Number.isFinite(deadlineMs) && Array.isArray(keys))
      return { state, deadlineMs, keys };
  } catch (error) {
    cause = error;
  }
  throw new WarpError("CORRUPT", "the store holds a transaction that cannot be read", { port: "store", cause });
};

/** What a key's object amounts to. */
export interface Standing {
  /** The object's tag; `undefined` if there is no object. */
  readonly etag: string | undefined;
  /** What the key holds. */
  readonly version: Version | undefined;
  /** What it holds hangs on a transaction: the tag says nothing about it. */
  readonly hasIntent: boolean;
}

interface Resolved extends Standing {
  /** The transaction under way, whose writer may still commit. */
  readonly pending: { readonly name: string; readonly etag: string; readonly leftMs: number } & TransactionState;
}

const noObject: Standing = { etag: undefined, version: undefined, hasIntent: false };

/** How often a writer looks whether a transaction that is in its way has ended, in milliseconds. */
const pollMs = 100;

/** Reads records as of the transactions that claim them, and ends those that are in a writer's way. */
export class Intents {
  readonly #requests: Requests;
  readonly #names: ObjectNames;
  readonly #timers: Pick<Clock, "schedule">;

  constructor(requests: Requests, names: ObjectNames, timers: Pick<Clock, "schedule">) {
    this.#requests = requests;
    this.#names = names;
    this.#timers = timers;
  }

  /** For readers: a pending transaction has not happened yet. */
  async resolve(key: string, found: FoundObject | undefined, signal: AbortSignal): Promise<Standing> {
    return await this.#resolve(key, found, signal);
  }

  /**
   * For writers: waits for a pending transaction until its deadline, then aborts it. What is resolved holds whoever
   * writes, since a transaction that has ended stays so.
   */
  async end(key: string, found: FoundObject | undefined, signal: AbortSignal): Promise<Standing> {
    for (let object = found; ; object = await this.#reread(key, signal)) {
      const standing = await this.#resolve(key, object, signal);
      if (!("pending" in standing)) return standing;
      const { name, etag, leftMs, deadlineMs, keys } = standing.pending;
      if (leftMs > 0) {
        await pause(this.#timers, Math.min(leftMs, pollMs), signal);
        continue;
      }
      const ended = encodeTransaction({ state: "aborted", deadlineMs, keys });
      try {
        await this.#requests.put(name, ended, { etag }, signal);
      } catch (error) {
        // It committed at the last moment, or somebody else aborted it.
        if (!isLost(error)) throw error;
      }
    }
  }

  async #resolve(key: string, found: FoundObject | undefined, signal: AbortSignal): Promise<Standing | Resolved> {
    let object = found;
    for (let missing: string | undefined; ; object = await this.#reread(key, signal)) {
      if (object === undefined) return noObject;
      const body = decodeBody(object.bytes, key);
      const { etag } = object;
      if (body.intent === undefined) return { etag, version: body.version, hasIntent: false };
      const before: Standing = { etag, version: body.version, hasIntent: true };
      // Its object is removed only once every key is free of it: this key was, or it never began.
      if (missing === body.intent.transaction) return before;
      const name = this.#names.transaction(body.intent.transaction);
      const transaction = await this.#requests.get(name, signal);
      if (transaction === undefined) missing = body.intent.transaction;
      else if (transaction !== "unchanged") return outcome(before, body, name, transaction);
    }
  }

  async #reread(key: string, signal: AbortSignal): Promise<FoundObject | undefined> {
    const object = await this.#requests.get(this.#names.record(key), signal);
    return object === "unchanged" ? undefined : object;
  }
}

const outcome = (before: Standing, { intent }: RecordBody, name: string, object: FoundObject): Standing | Resolved => {
  const transaction = decodeTransaction(object.bytes);
  if (transaction.state === "committed") return { ...before, version: intent?.next ?? before.version };
  if (transaction.state === "aborted") return before;
  const leftMs = transaction.deadlineMs - object.ageMs;
  return { ...before, pending: { ...transaction, name, etag: object.etag, leftMs } };
};
