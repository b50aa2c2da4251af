import type { MergeEngine } from "@warp/core";
import { foldingEngine } from "./fold.ts";
import { invalidArgument, invalidValue } from "./invalid.ts";

export interface AppendOptions {
  /** How many items are kept, the newest: 1 or more. Required, since a list without a bound outgrows its record. */
  readonly limit: number;
}

/**
 * A list of the newest `limit` items: the items written, an array, go to its end, the oldest leave.
 * Associative; not commutative (order of arrival is kept), not idempotent (an item written twice is there twice).
 * A merge costs a copy of the list.
 *
 * @throws {WarpError} `INVALID_ARGUMENT` for a limit that is no whole number above 0. Merging throws `INVALID_VALUE`
 *   for anything but an array.
 */
export const append = <T = unknown>({ limit }: AppendOptions): MergeEngine<T[]> => {
  if (!Number.isSafeInteger(limit) || limit < 1)
    throw invalidArgument("append: limit", "a whole number above 0", limit);
  return foldingEngine<T[]>(
    "append",
    (role, value) => {
      if (Array.isArray(value)) return value;
      throw invalidValue("append", role, "an array of items", value);
    },
    (lists) => lists.flat().slice(-limit) as T[],
  );
};
