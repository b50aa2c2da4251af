import { WarpError } from "../errors.ts";

/** What a value is, for error messages: its kind and, where short, itself. */
export const describeValue = (value: unknown): string => {
  if (value === null) return "null";
  if (typeof value === "string") return value.length > 40 ? `a string of ${value.length} characters` : `"${value}"`;
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "bigint")
    return `${typeof value} ${value}`;
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" ? `an object (${value.constructor?.name ?? "no prototype"})` : typeof value;
};

/** What rejects an option or an argument. @param accepted As in "a whole number from 1 to 10". */
export const invalid = (field: string, accepted: string, value: unknown): WarpError =>
  new WarpError("INVALID_ARGUMENT", `${field} must be ${accepted}; got ${describeValue(value)}`);

/** @throws {WarpError} `INVALID_ARGUMENT` unless `value` is a whole number from `least` to `most`. */
export const wholeNumber = (
  field: string,
  value: unknown,
  least: number,
  most: number = Number.MAX_SAFE_INTEGER,
): number => {
  if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) return value;
  const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
  throw invalid(field, `a whole number ${range}`, value);
};

/** @throws {WarpError} `INVALID_ARGUMENT`. */
export const requireMs = (field: string, value: unknown): number => {
  if (typeof value === "number" && Number.isFinite(value) && value >= 0) return value;
  throw invalid(field, "a number of milliseconds, at least 0", value);
};

/** @throws {WarpError} `INVALID_ARGUMENT` for a field that nobody reads: a typing error would be lost in silence. */
export const requireKnownFields = (what: string, options: unknown, known: readonly string[]): void => {
  if (typeof options !== "object" || options === null || Array.isArray(options))
    throw invalid(`the options of ${what}`, "an object", options);
  for (const field of Object.keys(options)) {
    if (!known.includes(field))
      throw new WarpError("INVALID_ARGUMENT", `${what} has no option "${field}"; there are ${known.join(", ")}`);
  }
};
