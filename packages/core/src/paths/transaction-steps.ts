import { isDeepStrictEqual } from "node:util";
import { WarpError } from "../errors.ts";
import type { Registration } from "../mechanisms/registration.ts";
import type { Known } from "./write-run.ts";
import { mergeValues } from "./write-values.ts";

/** One step on a key, in the order they were asked for. */
export type Step =
  | { readonly kind: "set"; readonly value: unknown }
  | { readonly kind: "delete" }
  | { readonly kind: "compare-and-swap"; readonly expected: unknown; readonly next: unknown };

/** What a transaction does to one key. */
export interface Work {
  readonly registration: Registration;
  readonly steps: Step[];
  /** What `get` saw: it must still be so when the transaction commits. */
  read: Known | undefined;
  /** The first `get`, which all others join. */
  reading: Promise<Known> | undefined;
}

/**
 * The value that `steps` make of `current`; `undefined` for none.
 * @throws {WarpError} `CAS_MISMATCH`; `INVALID_VALUE`.
 */
export const applySteps = (
  registration: Registration,
  key: string,
  current: unknown,
  steps: readonly Step[],
): unknown => {
  let value = current;
  for (const step of steps) {
    if (step.kind === "delete") value = undefined;
    else if (step.kind === "set") value = mergeValues(registration, key, value, step.value);
    else if (isDeepStrictEqual(value, step.expected)) value = step.next;
    else
      throw new WarpError("CAS_MISMATCH", `"${key}" does not hold the expected value`, {
        key,
        keys: [key],
        operation: "commit",
      });
  }
  return value;
};

/** The values of every written key. @throws {WarpError} `CAS_MISMATCH` naming all keys that do not match. */
export const resultsOf = (
  works: ReadonlyMap<string, Work>,
  currentOf: (key: string) => unknown,
): ReadonlyMap<string, unknown> => {
  const results = new Map<string, unknown>();
  const mismatches: string[] = [];
  for (const [key, { registration, steps }] of works) {
    if (steps.length === 0) continue;
    try {
      results.set(key, applySteps(registration, key, currentOf(key), steps));
    } catch (error) {
      if (!WarpError.has(error, "CAS_MISMATCH")) throw error;
      mismatches.push(key);
    }
  }
  if (mismatches.length === 0) return results;
  const names = mismatches.map((key) => `"${key}"`).join(", ");
  throw new WarpError("CAS_MISMATCH", `not the expected value: ${names}`, {
    keys: mismatches,
    key: mismatches[0],
    operation: "commit",
  });
};
