import type { S3StoreSettings } from "./options.ts";
import { decodeHead, headBytes } from "./record-body.ts";
import type { Records } from "./records.ts";
import type { Requests } from "./requests.ts";
import type { Transactions } from "./transactions.ts";

/** How long the object of a transaction stays after its end, in milliseconds. */
const keptMs = 86_400_000;

/** So many transactions are looked at side by side. */
const atOnce = 16;

/** How often a key is looked at whose object changes meanwhile. */
const mostRounds = 4;

/** Removes the objects of transactions that ended long ago, once no key bears an intent of theirs any more. */
export class Sweeper {
  readonly #requests: Requests;
  readonly #records: Records;
  readonly #transactions: Transactions;
  readonly #settings: S3StoreSettings;
  #page: string | undefined;

  constructor(requests: Requests, records: Records, transactions: Transactions, settings: S3StoreSettings) {
    this.#requests = requests;
    this.#records = records;
    this.#transactions = transactions;
    this.#settings = settings;
  }

  /** Whether this process made a transaction or met one. */
  get isNeeded(): boolean {
    return this.#transactions.met;
  }

  /** Looks at the next page of transactions, going round. @returns How many went. */
  async step(signal: AbortSignal): Promise<number> {
    const { names, landsWithinMs } = this.#settings;
    const { objects, next } = await this.#requests.list(names.transaction(""), signal, { from: this.#page });
    this.#page = next;
    if (objects.length === 0) return 0;
    // What was sent before its end and lands late must still find it.
    const longAgo = this.#records.shownTime() - Math.max(keptMs, landsWithinMs);
    const old = objects.filter(({ writtenAt }) => writtenAt <= longAgo).map(({ name }) => name);
    let removed = 0;
    const failures: unknown[] = [];
    for (let from = 0; from < old.length; from += atOnce) {
      const outcomes = old.slice(from, from + atOnce).map((name) => this.#sweep(name, signal));
      for (const outcome of await Promise.allSettled(outcomes)) {
        if (outcome.status === "rejected") failures.push(outcome.reason);
        else if (outcome.value) removed += 1;
      }
    }
    if (failures.length > 0) throw failures[0];
    return removed;
  }

  /** @returns Whether it went. */
  async #sweep(name: string, signal: AbortSignal): Promise<boolean> {
    const transaction = await this.#transactions.readObject(name, signal);
    if (transaction === undefined) return false;
    const { state, ageMs, deadlineMs, keys } = transaction;
    if (state === "pending") {
      // Its day begins with its end.
      if (ageMs > deadlineMs) await this.#transactions.abort(transaction, signal);
      return false;
    }
    const free = await Promise.all(keys.map((key) => this.#free(key, name, signal)));
    if (free.includes(false)) return false;
    await this.#requests.remove(name, undefined, signal);
    return true;
  }

  /** @returns Whether the key bears no intent of the transaction, which has ended, any more. */
  async #free(key: string, name: string, signal: AbortSignal): Promise<boolean> {
    for (let round = 0; round < mostRounds; round += 1) {
      if (!(await this.#isClaimed(key, name, signal))) return true;
      const { etag, version, claim } = await this.#records.readToWrite(key, signal);
      if (etag !== undefined && claim !== undefined) await this.#records.free(key, version, etag, signal);
    }
    return false;
  }

  async #isClaimed(key: string, name: string, signal: AbortSignal): Promise<boolean> {
    const { names } = this.#settings;
    for (const mostBytes of [headBytes, undefined]) {
      const found = await this.#requests.get(names.record(key), signal, { mostBytes });
      if (found === undefined || found === "unchanged") return false;
      const head = decodeHead(found.bytes);
      if (head !== undefined) return head.transaction !== undefined && names.transaction(head.transaction) === name;
    }
    return false;
  }
}
