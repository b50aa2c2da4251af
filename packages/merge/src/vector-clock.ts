import { invalidArgument, invalidValue } from "./invalid.ts";
import { isPlainObject } from "./json.ts";

/**
 * How many events of each node a version has seen; a node that is not named, none. Counts are whole numbers from 1.
 * Logical time is Lamport's ("Time, Clocks, and the Ordering of Events in a Distributed System", 1978); clocks that
 * tell concurrency, one count for each process, are Fidge's ("Timestamps in Message-Passing Systems That Preserve the
 * Partial Ordering", 1988) and Mattern's ("Virtual Time and Global States of Distributed Systems", 1989).
 */
export type VectorClock = Readonly<Record<string, number>>;

/** How one clock stands to another; `"concurrent"`: each has seen what the other has not. */
export type ClockOrder = "before" | "after" | "equal" | "concurrent";

/** @throws {WarpError} `INVALID_VALUE` unless `clock` is a vector clock. */
export const requireClock = (engine: string, what: string, clock: unknown): VectorClock => {
  if (!isPlainObject(clock)) throw invalidValue(engine, what, "an object of counts by node", clock);
  for (const [node, count] of Object.entries(clock)) {
    if (node === "") throw invalidValue(engine, `a node of ${what}`, "a non-empty string", node);
    if (!Number.isSafeInteger(count) || (count as number) < 1)
      throw invalidValue(engine, `the count of node "${node}" in ${what}`, "a safe integer above 0", count);
  }
  return clock as VectorClock;
};

const countOf = (clock: VectorClock, node: string): number => (Object.hasOwn(clock, node) ? (clock[node] ?? 0) : 0);

const covers = (a: VectorClock, b: VectorClock): boolean =>
  Object.entries(b).every(([node, count]) => countOf(a, node) >= count);

/** `compareClocks` for clocks that were checked. */
export const orderOf = (a: VectorClock, b: VectorClock): ClockOrder => {
  const [aCovers, bCovers] = [covers(a, b), covers(b, a)];
  if (aCovers && bCovers) return "equal";
  if (aCovers) return "after";
  return bCovers ? "before" : "concurrent";
};

/**
 * How `a` stands to `b`: `"before"` if `b` has seen all of `a` and more, `"concurrent"` if neither has seen the other.
 * @throws {WarpError} `INVALID_VALUE` if either is no vector clock.
 */
export const compareClocks = (a: VectorClock, b: VectorClock): ClockOrder =>
  orderOf(requireClock("compareClocks", "a", a), requireClock("compareClocks", "b", b));

/**
 * The clock of the next event of `node` after all that `clock` has seen.
 * @throws {WarpError} `INVALID_ARGUMENT` for an empty node; `INVALID_VALUE` if `clock` is no vector clock or its count
 *   is at 2^53 - 1.
 */
export const increment = (clock: VectorClock, node: string): VectorClock => {
  if (typeof node !== "string" || node === "") throw invalidArgument("increment: node", "a non-empty string", node);
  const count = countOf(requireClock("increment", "clock", clock), node);
  if (count === Number.MAX_SAFE_INTEGER)
    throw invalidValue("increment", `the count of node "${node}"`, "below 2^53 - 1", count);
  // A computed member is defined, not assigned: a node named "__proto__" stays a node.
  return { ...clock, [node]: count + 1 };
};

/**
 * The clock that has seen what any of `clocks` has: their least upper bound.
 * @throws {WarpError} `INVALID_VALUE` if one is no vector clock.
 */
export const mergeClocks = (...clocks: readonly VectorClock[]): VectorClock => {
  const counts = new Map<string, number>();
  for (const clock of clocks)
    for (const [node, count] of Object.entries(requireClock("mergeClocks", "a clock", clock)))
      counts.set(node, Math.max(count, counts.get(node) ?? 0));
  return Object.fromEntries(counts);
};
