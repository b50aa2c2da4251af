import type { MergeEngine } from "@warp/core";
import { foldingEngine, type Role } from "./fold.ts";
import { invalidArgument, invalidValue, refusal } from "./invalid.ts";
import { distinct, isPlainObject } from "./json.ts";
import { increment, mergeClocks, orderOf, requireClock, type VectorClock } from "./vector-clock.ts";

/** A value and what its writer had seen. */
export interface Version<T = unknown> {
  readonly clock: VectorClock;
  readonly value: T;
}

/** What a key holds under `vectorClocks`: one version, or several siblings that were written concurrently. */
export interface Versions<T = unknown> {
  readonly versions: readonly Version<T>[];
}

export interface VectorClocksOptions {
  /** The most siblings kept; a write that would make more is refused until a writer resolves them. Default 100. */
  readonly maxSiblings?: number;
}

const name = "vector-clocks";

const check = <T>(role: Role | "what was seen", value: unknown): Versions<T> => {
  if (!isPlainObject(value) || !Array.isArray(value.versions) || value.versions.length === 0)
    throw invalidValue(name, role, "an object with versions, an array of at least one", value);
  for (const version of value.versions as unknown[]) {
    if (!isPlainObject(version) || version.value === undefined)
      throw invalidValue(name, `a version of ${role}`, "an object with clock and value", version);
    requireClock(name, `the clock of a version of ${role}`, version.clock);
  }
  return value as unknown as Versions<T>;
};

/**
 * Versions ordered by what their writers had seen, for values that are also written elsewhere (another region, a
 * restored copy). A version replaces those it has seen; versions that have not seen each other stay side by side, none
 * lost, until a writer that saw them writes the next one. Write what `nextVersion` returns.
 *
 * Commutative, associative and idempotent. Two values under one clock (a node that used a count twice) are kept as
 * siblings as well. Sources: see `VectorClock`. A merge of n versions costs n² comparisons.
 *
 * @throws {WarpError} `INVALID_ARGUMENT` for a `maxSiblings` that is no whole number above 0. Merging throws
 *   `INVALID_VALUE` for a value of another shape, and where more than `maxSiblings` would stand.
 */
export const vectorClocks = <T = unknown>({
  maxSiblings = 100,
}: VectorClocksOptions = {}): MergeEngine<Versions<T>> => {
  if (!Number.isSafeInteger(maxSiblings) || maxSiblings < 1)
    throw invalidArgument("vectorClocks: maxSiblings", "a whole number above 0", maxSiblings);
  return foldingEngine<Versions<T>>(name, check, (held) => {
    const all = distinct(
      name,
      "a version",
      held.flatMap(({ versions }) => versions),
    );
    const versions = all.filter((one) => !all.some((other) => orderOf(one.clock, other.clock) === "before"));
    if (versions.length <= maxSiblings) return { versions };
    throw refusal(
      `${name}: ${versions.length} concurrent versions are more than maxSiblings ${maxSiblings}: resolve them first`,
    );
  });
};

/**
 * The next version that `node` writes: it replaces every version in `seen`, and so resolves siblings to `value`.
 *
 * @param seen What the key held when its reader decided on `value`; `undefined` if it did not exist.
 * @throws {WarpError} `INVALID_ARGUMENT` for an empty node; `INVALID_VALUE` if `seen` is of another shape.
 */
export const nextVersion = <T>(seen: Versions<T> | undefined, node: string, value: T): Versions<T> => {
  const clocks = seen === undefined ? [] : check<T>("what was seen", seen).versions.map(({ clock }) => clock);
  return { versions: [{ clock: increment(mergeClocks(...clocks), node), value }] };
};
