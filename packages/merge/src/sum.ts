import type { MergeEngine } from "@warp/core";
import { foldingEngine } from "./fold.ts";
import { invalidArgument, invalidValue } from "./invalid.ts";

export interface SumOptions {
  /**
   * Whether numbers with a fraction are accepted. Default false: whole numbers only, whose sums are exact. Fractions
   * are rounded, so that the order of additions shows in the last digit; count in the smallest unit where that matters.
   */
  readonly fractions?: boolean;
}

/**
 * A counter: what is written is added to what is there; negative numbers count down.
 * Commutative and, without fractions, associative. Not idempotent: a repeated write counts again (Warp itself sends
 * no write twice). There is no `combine` with fractions, since it would round differently.
 *
 * @throws {WarpError} `INVALID_ARGUMENT` for an option that is no boolean. Merging throws `INVALID_VALUE` for anything
 *   but a number of the accepted kind, and where the sum leaves the safe integers (±2^53 - 1) or, with fractions, is
 *   not finite.
 */
export const sum = ({ fractions = false }: SumOptions = {}): MergeEngine<number> => {
  if (typeof fractions !== "boolean") throw invalidArgument("sum: fractions", "a boolean", fractions);
  const accepts = fractions ? Number.isFinite : Number.isSafeInteger;
  const kind = fractions ? "a finite number" : "a safe integer";
  const { combine, ...engine } = foldingEngine(
    "sum",
    (role, value) => {
      // Adding 0 turns -0, which JSON has no text for, into 0.
      if (accepts(value)) return (value as number) + 0;
      throw invalidValue("sum", role, kind, value);
    },
    (values) => {
      const total = values.reduce((a, b) => a + b);
      if (accepts(total)) return total;
      throw invalidValue("sum", "the sum", kind, total);
    },
  );
  return Object.freeze(fractions ? engine : { ...engine, combine });
};
