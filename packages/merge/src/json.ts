import { invalidValue } from "./invalid.ts";

/** A plain JSON object, of any realm. */
export const isPlainObject = (value: unknown): value is Readonly<Record<string, unknown>> => {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
};

// Deeper than any sensible value, shallower than the stack: it also ends the walk through a cycle.
const deepest = 500;

/**
 * The JSON text of `value` with object members in the order of their names: equal for deeply equal values.
 * @throws {WarpError} `INVALID_VALUE` where JSON would not bring the value back as it is (`undefined`, NaN, -0, a
 *   class instance, a cycle, more than 500 levels).
 */
export const canonicalJson = (engine: string, what: string, value: unknown, depth = 0): string => {
  if (depth > deepest) throw invalidValue(engine, what, `nested at most ${deepest} levels deep`, value);
  if (Array.isArray(value)) {
    // Array.from visits holes too, which map() would step over.
    return `[${Array.from(value, (item) => canonicalJson(engine, what, item, depth + 1)).join()}]`;
  }
  if (isPlainObject(value)) {
    const member = (name: string): string =>
      `${JSON.stringify(name)}:${canonicalJson(engine, what, value[name], depth + 1)}`;
    return `{${Object.keys(value).sort().map(member).join()}}`;
  }
  const scalar = value === null || typeof value === "string" || typeof value === "boolean";
  if (!scalar && !(Number.isFinite(value) && !Object.is(value, -0)))
    throw invalidValue(engine, what, "plain JSON", value);
  return JSON.stringify(value);
};

/** Order by code units: the same on every node, whatever its locale. */
export const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const compareItems = ([a, aText]: readonly [unknown, string], [b, bText]: readonly [unknown, string]): number => {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a === "string" && typeof b === "string") return compareText(a, b);
  return compareText(aText, bText);
};

/** Each of deeply equal items once, numbers and strings in their own order, anything else by its canonical text. */
export const distinct = <T>(engine: string, what: string, items: Iterable<T>): T[] => {
  const byText = new Map<string, T>();
  for (const item of items) {
    const text = canonicalJson(engine, what, item);
    if (!byText.has(text)) byText.set(text, item);
  }
  return Array.from(byText, ([text, item]) => [item, text] as const)
    .sort(compareItems)
    .map(([item]) => item);
};
