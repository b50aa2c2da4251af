import { type Clock, systemRandom, WarpError } from "@warp/core";
import { isLost, isRefusal, unavailable } from "./failures.ts";
import type { ObjectNames } from "./object-names.ts";
import type { Requests } from "./requests.ts";
import { decodeTransaction, encodeTransaction, type TransactionState } from "./transaction-state.ts";

/** A transaction's object as it was read or written. */
export interface TransactionObject extends TransactionState {
  readonly name: string;
  readonly etag: string;
  /** How long it has been as it is, in milliseconds by the server's clock alone, to whole seconds. */
  readonly ageMs: number;
}

/** A transaction of this process. */
export interface OwnTransaction extends TransactionObject {
  readonly id: string;
  /** From then on the commit is not sent; on the monotonic clock of `timers`. */
  readonly commitBefore: number;
}

/** How a transaction ended; `"gone"`: its object is not there, so it ended long ago. */
export type TransactionEnd = "committed" | "aborted" | "gone";

/** How often a put of a transaction's object is sent, if the answers stay neither yes nor no. */
const mostRounds = 6;

/** An age is the difference of two readings to whole seconds; nobody is to end a transaction early for that. */
const roundingMs = 1_000;

/**
 * The objects of transactions. One is created pending, under a name that is never used again, and ends by a put on the
 * tag of that: whoever ends it first, for ever. This put is all that decides; deadlines merely say from when on others
 * try.
 */
export class Transactions {
  readonly #requests: Requests;
  readonly #names: ObjectNames;
  readonly #timers: Pick<Clock, "monotonic">;
  #met = false;

  constructor(requests: Requests, names: ObjectNames, timers: Pick<Clock, "monotonic">) {
    this.#requests = requests;
    this.#names = names;
    this.#timers = timers;
  }

  /** Whether this process made a transaction or met one. */
  get met(): boolean {
    return this.#met;
  }

  /**
   * Resolves only once the object is there for certain: an intent without one counts as aborted.
   * @param withinMs How long its writer may take until it sends the commit.
   * @throws {WarpError} `UNAVAILABLE`: no key bears an intent of it, and none will.
   */
  async begin(keys: readonly string[], withinMs: number, signal: AbortSignal): Promise<OwnTransaction> {
    this.#met = true;
    const id = systemRandom.id();
    const name = this.#names.transaction(id);
    const commitBefore = this.#timers.monotonic() + withinMs;
    const deadlineMs = Math.ceil(withinMs) + roundingMs;
    const state: TransactionState = { state: "pending", deadlineMs, keys };
    for (let round = 1; ; round += 1) {
      try {
        const etag = await this.#requests.put(name, encodeTransaction(state), "absent", signal);
        return { ...state, id, name, etag, ageMs: 0, commitBefore };
      } catch (error) {
        if (WarpError.is(error) || isRefusal(error) || round === mostRounds) throw error;
        const found = await this.read(id, signal);
        if (found !== undefined) return { ...found, id, commitBefore };
      }
    }
  }

  /** @returns `undefined` if it is gone. */
  async read(id: string, signal: AbortSignal): Promise<TransactionObject | undefined> {
    return await this.readObject(this.#names.transaction(id), signal);
  }

  /** As `read`, by the object's name. */
  async readObject(name: string, signal: AbortSignal): Promise<TransactionObject | undefined> {
    this.#met = true;
    const found = await this.#requests.get(name, signal);
    if (found === undefined || found === "unchanged") return undefined;
    return { ...decodeTransaction(found.bytes), name, etag: found.etag, ageMs: found.ageMs };
  }

  /**
   * The commit point. Only for a transaction whose intents all stand.
   * @returns How it ended; past its deadline it is aborted, if nobody else ended it.
   * @throws {WarpError} `UNAVAILABLE` if it was certainly not committed. It may be pending still.
   * @throws Anything else: it may have been committed, or may still be.
   */
  async commit(transaction: OwnTransaction, signal: AbortSignal): Promise<"committed" | "aborted"> {
    const doubts: unknown[] = [];
    try {
      return await this.#commit(transaction, doubts, signal);
    } catch (error) {
      if (doubts.length > 0) throw doubts[0];
      throw WarpError.has(error, "UNAVAILABLE") ? error : unavailable(undefined, error);
    }
  }

  /** @param doubts Takes why it may be committed though no answer says so. */
  async #commit(transaction: OwnTransaction, doubts: unknown[], signal: AbortSignal): Promise<"committed" | "aborted"> {
    const { name, commitBefore } = transaction;
    for (let { etag } = transaction, round = 1; ; round += 1) {
      const state = this.#timers.monotonic() < commitBefore ? "committed" : "aborted";
      try {
        await this.#requests.put(name, encodeTransaction({ ...stateOf(transaction), state }), { etag }, signal);
        return state;
      } catch (error) {
        if (WarpError.is(error) || isRefusal(error)) throw error;
        if (state === "committed" && !isLost(error)) doubts.push(error);
        if (round === mostRounds) throw error;
      }
      const found = await this.readObject(name, signal);
      // Objects are removed a day after the end of their transaction, whatever that was.
      if (found === undefined) {
        doubts.push(new Error("the object of the transaction is gone"));
        throw doubts[0];
      }
      if (found.state !== "pending") return found.state;
      etag = found.etag;
    }
  }

  /** Ends it: aborts it, unless it has ended. Whoever calls this has waited for its deadline, or is its writer. */
  async abort(transaction: TransactionObject, signal: AbortSignal): Promise<TransactionEnd> {
    const { name } = transaction;
    const ended = encodeTransaction({ ...stateOf(transaction), state: "aborted" });
    for (let { etag } = transaction, round = 1; ; round += 1) {
      try {
        await this.#requests.put(name, ended, { etag }, signal);
        return "aborted";
      } catch (error) {
        // RGW tells losers of a race 500, too.
        if (WarpError.is(error) || isRefusal(error) || round === mostRounds) throw error;
      }
      const found = await this.readObject(name, signal);
      if (found === undefined) return "gone";
      if (found.state !== "pending") return found.state;
      etag = found.etag;
    }
  }
}

const stateOf = ({ state, deadlineMs, keys }: TransactionState): TransactionState => ({
  state,
  deadlineMs,
  keys,
});
