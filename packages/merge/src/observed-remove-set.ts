import type { MergeEngine } from "@warp/core";
import { foldingEngine, type Role } from "./fold.ts";
import { invalidArgument, invalidValue } from "./invalid.ts";
import { canonicalJson, compareText, distinct, isPlainObject } from "./json.ts";

/** A set and, likewise, a change to one. Read it with `observedElements`. */
export interface ObservedSet<T = unknown> {
  /** The element that each addition put in, by the addition's tag. */
  readonly added: Readonly<Record<string, T>>;
  /** The tags of additions that were removed, in order. They stay, so that a late copy of an addition is known. */
  readonly removed: readonly string[];
}

const name = "observed-remove-set";
const isTag = (tag: unknown): tag is string => typeof tag === "string" && tag !== "";

const check = <T>(role: Role | "the set", value: unknown): ObservedSet<T> => {
  if (!isPlainObject(value) || !isPlainObject(value.added) || !Array.isArray(value.removed))
    throw invalidValue(name, role, "an object with added (elements by tag) and removed (an array of tags)", value);
  const tags: unknown[] = [...Object.keys(value.added), ...value.removed];
  if (!tags.every(isTag))
    throw invalidValue(
      name,
      `a tag of ${role}`,
      "a non-empty string",
      tags.find((tag) => !isTag(tag)),
    );
  return value as unknown as ObservedSet<T>;
};

const fold = <T>(sets: readonly ObservedSet<T>[]): ObservedSet<T> => {
  const removed = new Set(sets.flatMap((set) => set.removed));
  const added = new Map<string, T>();
  for (const [tag, element] of sets.flatMap((set) => Object.entries(set.added))) {
    if (removed.has(tag)) continue;
    const same = !added.has(tag) || textOf(added.get(tag)) === textOf(element);
    if (!same) throw invalidValue(name, `tag "${tag}"`, "unique to one addition", [added.get(tag), element]);
    added.set(tag, element);
  }
  // fromEntries defines its members: a tag named "__proto__" stays a tag.
  return { added: Object.fromEntries(added), removed: [...removed].sort(compareText) };
};

const textOf = (element: unknown): string => canonicalJson(name, "an element", element);

/**
 * A set of JSON values with additions and removals: a removal takes away the additions that its writer had seen, so
 * an addition made at the same time elsewhere survives it. Write what `observedAdd` and `observedRemove` return.
 * Commutative, associative and idempotent (Shapiro et al., 2011: OR-Set, with the tags of removed additions kept).
 *
 * Each removed addition leaves its tag for good. Where no copy from elsewhere can still hold the addition, a
 * `compareAndSwap` to a set without `removed` shrinks the value.
 *
 * Merging throws `INVALID_VALUE` for a value of another shape, and where one tag stands for two elements.
 */
export const observedRemoveSet = <T = unknown>(): MergeEngine<ObservedSet<T>> =>
  foldingEngine<ObservedSet<T>>(name, check, fold);

/**
 * The change that adds `element`.
 * @param tag New for every addition, for example `crypto.randomUUID()`. Repeated with one tag it adds once.
 * @throws {WarpError} `INVALID_ARGUMENT` for an empty tag; `INVALID_VALUE` for an element that is not plain JSON.
 */
export const observedAdd = <T>(element: T, tag: string): ObservedSet<T> => {
  if (!isTag(tag)) throw invalidArgument("observedAdd: tag", "a non-empty string", tag);
  textOf(element);
  return { added: { [tag]: element }, removed: [] };
};

/**
 * The change that removes `element` as far as `seen` holds it: later or unseen additions stand.
 * @param seen What the key held when its reader decided to remove; `undefined` if it did not exist.
 * @throws {WarpError} `INVALID_VALUE` if `seen` is no such set.
 */
export const observedRemove = <T>(seen: ObservedSet<T> | undefined, element: T): ObservedSet<T> => {
  const text = textOf(element);
  const additions = seen === undefined ? [] : Object.entries(check<T>("the set", seen).added);
  const removed = additions.filter(([, added]) => textOf(added) === text).map(([tag]) => tag);
  return { added: {}, removed: removed.sort(compareText) };
};

/**
 * The elements, each once, ordered as in `union`.
 * @throws {WarpError} `INVALID_VALUE` if `set` is no such set.
 */
export const observedElements = <T>(set: ObservedSet<T> | undefined): T[] =>
  set === undefined ? [] : distinct(name, "an element", Object.values(check<T>("the set", set).added));
