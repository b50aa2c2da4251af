import { WarpError } from "@warp/core";

/** What a transaction's object says. It is created pending, and ends by one conditional put. */
export interface TransactionState {
  readonly state: "pending" | "committed" | "aborted";
  /** Its writer does not send the commit later than this after it created the object, in milliseconds. */
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
