import type { MergeEngine } from "@warp/core";
import { foldingEngine, type Role } from "./fold.ts";
import { invalidArgument, invalidValue, refusal } from "./invalid.ts";
import { canonicalJson, compareText } from "./json.ts";

const name = "last-write-wins-by";

/**
 * The value with the later timestamp stands, whichever arrives last: for values dated elsewhere (another region, a
 * restored copy). It trusts those clocks: a value dated in the future wins until that future has come.
 *
 * Of two values with one timestamp, the one whose canonical JSON text is greater stands, on every node.
 * Commutative, associative and idempotent (Shapiro et al., "A comprehensive study of Convergent and Commutative
 * Replicated Data Types", 2011: LWW-register).
 *
 * @param timestampOf The timestamp that a value carries, a finite number in any unit. A pure function.
 * @throws {WarpError} `INVALID_ARGUMENT` if `timestampOf` is no function. Merging throws `INVALID_VALUE` for a value
 *   without a timestamp.
 */
export const lastWriteWinsBy = <V>(timestampOf: (value: V) => number): MergeEngine<V> => {
  if (typeof timestampOf !== "function") throw invalidArgument("timestampOf", "a function", timestampOf);
  const check = (role: Role, value: unknown): V => {
    let timestamp: unknown;
    try {
      timestamp = timestampOf(value as V);
    } catch (cause) {
      throw refusal(`${name}: ${role} has no timestamp`, { cause });
    }
    if (!Number.isFinite(timestamp)) throw invalidValue(name, `the timestamp of ${role}`, "a finite number", timestamp);
    return value as V;
  };
  const later = (a: V, b: V): V => {
    const [atA, atB] = [timestampOf(a), timestampOf(b)];
    if (atA !== atB) return atA > atB ? a : b;
    return compareText(canonicalJson(name, "a value", a), canonicalJson(name, "a value", b)) > 0 ? a : b;
  };
  return foldingEngine(name, check, (values) => values.reduce(later));
};
