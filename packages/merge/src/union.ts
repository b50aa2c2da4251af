import type { MergeEngine } from "@warp/core";
import { foldingEngine } from "./fold.ts";
import { invalidValue } from "./invalid.ts";
import { distinct } from "./json.ts";

/**
 * A set that only grows, as an array: numbers and strings in their own order, anything else by its JSON text, each of
 * deeply equal elements once. Commutative, associative and idempotent (Shapiro et al., 2011: G-Set).
 * A merge costs n log n of the elements.
 *
 * Merging throws `INVALID_VALUE` for anything but an array, and for elements that are not plain JSON.
 */
export const union = <T = unknown>(): MergeEngine<T[]> =>
  foldingEngine<T[]>(
    "union",
    (role, value) => {
      if (Array.isArray(value)) return value;
      throw invalidValue("union", role, "an array of elements", value);
    },
    (sets) => distinct("union", "an element", sets.flat() as T[]),
  );
