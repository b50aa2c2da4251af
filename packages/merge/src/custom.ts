import type { MergeEngine } from "@warp/core";
import { invalidArgument, invalidValue } from "./invalid.ts";

export interface CustomOptions<V> {
  /** For logs and errors. Default `"custom"`. */
  readonly name?: string;
  /**
   * One incoming value with the effect of two: `merge(merge(c, a), b)` must deeply equal `merge(c, combine(a, b))`.
   * Default none: values that wait for the store are then kept one by one.
   */
  readonly combine?: (earlier: V, later: V) => V;
}

/**
 * A merge of one's own; its laws are its author's.
 *
 * @param merge Returns what the key holds next. Synchronous and pure: it may run several times for one write, and
 *   must change neither argument. What it throws rejects the write.
 * @throws {WarpError} `INVALID_ARGUMENT` for a function or name that is none. Merging throws `INVALID_VALUE` where
 *   the function returns `undefined` or a promise.
 */
export const custom = <V = unknown>(
  merge: (current: V | undefined, incoming: V) => V,
  { name = "custom", combine }: CustomOptions<V> = {},
): MergeEngine<V> => {
  if (typeof merge !== "function") throw invalidArgument("custom: merge", "a function", merge);
  if (typeof name !== "string" || name === "") throw invalidArgument("custom: name", "a non-empty string", name);
  if (combine !== undefined && typeof combine !== "function")
    throw invalidArgument("custom: combine", "a function", combine);
  const require = (call: string, value: V): V => {
    const thenable = typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
    if (value === undefined || thenable) throw invalidValue(name, `the result of ${call}`, "a value, at once", value);
    return value;
  };
  return Object.freeze({
    portVersion: 1,
    name,
    readsCurrent: true,
    merge: (current: V | undefined, incoming: V): V => require("merge", merge(current, incoming)),
    ...(combine && { combine: (earlier: V, later: V): V => require("combine", combine(earlier, later)) }),
  });
};
