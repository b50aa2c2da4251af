import { type Mutation, WarpError } from "@warp/core";
import { conditionOf, revisionOf } from "./commit.ts";
import { isRefusal, unavailable } from "./failures.ts";
import type { Standing } from "./intents.ts";
import type { Records } from "./records.ts";
import type { OwnTransaction } from "./transactions.ts";
import type { Version } from "./version.ts";

/** One key's part in a transaction. */
export interface Piece {
  readonly mutation: Mutation;
  readonly key: string;
  /** What the key holds; no object, and so no tag, where there is none. */
  standing: Standing;
  /** What it holds once the transaction has committed; `undefined` where that is only a check. */
  next: Version | undefined;
  /** Whether its intent may be on the object, though perhaps not for certain. */
  mayBeClaimed: boolean;
  /** The object's tag while the intent is on it for certain. */
  claimed: string | undefined;
}

export const pieceOf = (mutation: Mutation, standing: Standing): Piece => ({
  mutation,
  key: mutation.key,
  standing,
  next: undefined,
  mayBeClaimed: false,
  claimed: undefined,
});

/** Whether what was expected of the key does not hold. */
export const hasMoved = ({ mutation, standing }: Piece): boolean => revisionOf(standing) !== mutation.expected;

/** How often an intent is put anew under the same tag: as long as that changes, others get on. */
const mostRounds = 6;

/** All of `work`, ended, whichever fails: nothing may go on behind a caller who cleans up. @throws The first failure. */
const allEnded = async <T>(work: readonly Promise<T>[]): Promise<readonly T[]> => {
  const outcomes = await Promise.allSettled(work);
  return outcomes.map((outcome) => {
    if (outcome.status === "rejected") throw outcome.reason;
    return outcome.value;
  });
};

/** Puts a transaction's intents on its keys, and takes them off again. */
export class Claims {
  readonly #records: Records;

  constructor(records: Records) {
    this.#records = records;
  }

  /**
   * Side by side. Where another transaction is in the way, this one waits for it, and holds only keys that come before
   * that one meanwhile: so no circle of transactions waits for each other.
   * @param pieces In the order of their keys.
   * @returns Whether all stand; false if some key has moved, which its `standing` then tells.
   */
  async place(transaction: OwnTransaction, pieces: readonly Piece[], signal: AbortSignal): Promise<boolean> {
    for (let from = 0; ; ) {
      const rest = pieces.slice(from).filter(({ claimed }) => claimed === undefined);
      await allEnded(rest.map((piece) => this.#claim(transaction, piece, signal)));
      if (rest.some(hasMoved)) return false;
      const busy = pieces.findIndex(({ claimed }) => claimed === undefined);
      const inTheWay = pieces[busy];
      if (inTheWay === undefined) return true;
      await allEnded(pieces.slice(busy).map((piece) => this.#release(piece, signal)));
      inTheWay.standing = await this.#records.readToWrite(inTheWay.key, signal);
      if (hasMoved(inTheWay)) return false;
      from = busy;
    }
  }

  /** Leaves each key as a transaction that has ended, so or so, leaves it. Done by anybody else, that is as well. */
  async tidy(
    { id }: OwnTransaction,
    pieces: readonly Piece[],
    isCommitted: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const tidyOne = async ({ key, claimed, mayBeClaimed, standing, next }: Piece): Promise<void> => {
      let left: Pick<Standing, "etag" | "version"> = { etag: claimed, version: standing.version };
      if (claimed === undefined) {
        const found = mayBeClaimed ? await this.#records.read(key, signal, id) : undefined;
        if (found?.claim?.state !== "own") return;
        left = found;
      }
      const version = isCommitted ? (next ?? left.version) : left.version;
      if (left.etag !== undefined) await this.#records.free(key, version, left.etag, signal);
    };
    await allEnded(pieces.map(tidyOne));
  }

  /** Leaves `claimed` undefined where a transaction is in the way, or where the key has moved. */
  async #claim({ id }: OwnTransaction, piece: Piece, signal: AbortSignal): Promise<void> {
    const { key, next } = piece;
    const intent = { transaction: id, next };
    for (let round = 1; ; round += 1) {
      const { etag, version } = piece.standing;
      piece.mayBeClaimed = true;
      try {
        piece.claimed = await this.#records.claim(key, version, intent, conditionOf({ etag }), signal);
        return;
      } catch (error) {
        if (WarpError.is(error)) throw error;
        if (isRefusal(error) || round === mostRounds) throw unavailable(key, error);
      }
      const standing = await this.#records.read(key, signal, id);
      if (standing.claim?.state === "own") piece.claimed = standing.etag;
      // With the tag of an object that bears the intent of a transaction under way nothing may be put over it.
      else if (standing.claim?.state !== "pending" || hasMoved({ ...piece, standing })) piece.standing = standing;
      if (piece.claimed !== undefined || standing.claim?.state === "pending" || hasMoved(piece)) return;
      if (standing.etag !== etag) round = 0;
    }
  }

  /** Only while the transaction is pending, which nobody but its writer can then commit. */
  async #release(piece: Piece, signal: AbortSignal): Promise<void> {
    const { key, claimed, standing } = piece;
    if (claimed === undefined) return;
    piece.claimed = undefined;
    const etag = await this.#records.write(key, standing.version, { etag: claimed }, signal);
    piece.standing = { etag, version: standing.version, claim: undefined };
    piece.mayBeClaimed = false;
  }
}
