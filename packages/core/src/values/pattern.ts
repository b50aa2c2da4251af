import { WarpError } from "../errors.ts";
import { describeValue } from "./invalid.ts";

/** Keys under this prefix are Warp's own (leases, locks, transactions): callers neither see nor use them. */
export const reservedPrefix = "\u0000warp:";

/** The longest key, in bytes of UTF-8. */
export const longestKeyBytes = 1_024;

const invalid = (field: string, reason: string, value: unknown): WarpError =>
  new WarpError("INVALID_ARGUMENT", `${field} must be ${reason}; got ${describeValue(value)}`, {
    key: typeof value === "string" ? value : undefined,
  });

// Most keys are short: the byte count is taken only where it could matter.
const tooLong = (text: string): boolean =>
  text.length * 3 > longestKeyBytes && Buffer.byteLength(text) > longestKeyBytes;

const requireText = (field: string, value: unknown): void => {
  if (typeof value !== "string" || value === "") throw invalid(field, "a non-empty string", value);
  if (tooLong(value)) throw invalid(field, `at most ${longestKeyBytes} bytes of UTF-8`, value);
  if (!value.isWellFormed()) throw invalid(field, "well-formed Unicode (no lone surrogates)", value);
  if (value.startsWith(reservedPrefix)) throw invalid(field, "outside Warp's own prefix \\u0000warp:", value);
};

/** Whether `key` is one that callers may use. */
export const isKey = (key: unknown): key is string =>
  typeof key === "string" &&
  key !== "" &&
  !tooLong(key) &&
  key.isWellFormed() &&
  !key.startsWith(reservedPrefix) &&
  !key.includes("*");

/** @throws {WarpError} `INVALID_ARGUMENT` unless `key` is one that callers may use. */
export const requireKey = (key: unknown): void => {
  requireText("key", key);
  if ((key as string).includes("*")) throw invalid("key", 'without "*", which only patterns have', key);
};

/** @throws {WarpError} `INVALID_ARGUMENT` unless `pattern` is a legal key or one with `*` in it. */
export const requirePattern = (pattern: unknown): void => requireText("pattern", pattern);

export const isExact = (pattern: string): boolean => !pattern.includes("*");

/** What every key that matches `pattern` begins with. */
export const literalPrefix = (pattern: string): string => {
  const star = pattern.indexOf("*");
  return star < 0 ? pattern : pattern.slice(0, star);
};

/** Whether `key` matches `pattern`, `*` standing for any run of characters. Linear time: no backtracking beyond one star. */
export const matches = (pattern: string, key: string): boolean => {
  const parts = pattern.split("*");
  const first = parts[0] as string;
  if (parts.length === 1) return pattern === key;
  const last = parts[parts.length - 1] as string;
  if (key.length < first.length + last.length || !key.startsWith(first) || !key.endsWith(last)) return false;
  let from = first.length;
  const end = key.length - last.length;
  for (const part of parts.slice(1, -1)) {
    const at = key.indexOf(part, from);
    if (at < 0 || at + part.length > end) return false;
    from = at + part.length;
  }
  return true;
};

/** Order of precedence: exact first, then longer literal prefix, then longer pattern, then by text. */
export const comparePatterns = (a: string, b: string): number => {
  if (a === b) return 0;
  if (isExact(a) !== isExact(b)) return isExact(a) ? -1 : 1;
  return literalPrefix(b).length - literalPrefix(a).length || b.length - a.length || (a < b ? -1 : 1);
};

/** Whether some key may match both. Says yes where it is not sure. */
export const overlaps = (a: string, b: string): boolean => {
  if (isExact(a)) return matches(b, a);
  if (isExact(b)) return matches(a, b);
  const [prefixA, prefixB] = [literalPrefix(a), literalPrefix(b)];
  return prefixA.startsWith(prefixB) || prefixB.startsWith(prefixA);
};
