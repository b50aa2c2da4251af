import { invalid } from "./invalid.ts";

type Unit = "ms" | "s" | "m" | "h" | "d";

/** Milliseconds, or a number with its unit: `250`, `"250ms"`, `"1.5s"`, `"5m"`, `"1h"`, `"7d"`. */
export type Duration = number | `${number}${Unit}`;

const unitMs: Readonly<Record<Unit, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const form = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;

export interface DurationLimits {
  /** Least accepted, in milliseconds. Default 0. */
  readonly leastMs?: number;
  /** Whether `Infinity` is accepted. Default false. */
  readonly infinite?: boolean;
}

/**
 * Milliseconds of `value`.
 * @throws {WarpError} `INVALID_ARGUMENT` naming `field`.
 */
export const durationMs = (
  field: string,
  value: unknown,
  { leastMs = 0, infinite = false }: DurationLimits = {},
): number => {
  const match = typeof value === "string" ? form.exec(value) : null;
  const ms = match === null ? value : Number(match[1]) * unitMs[match[2] as Unit];
  // A text of so many digits that its number overflows does not mean Infinity.
  const bounded = Number.isFinite(ms) || (infinite && value === Number.POSITIVE_INFINITY);
  if (typeof ms === "number" && bounded && ms >= leastMs) return ms;
  const accepted = `milliseconds or a string like "250ms", "5m", "1h"${leastMs > 0 ? `, at least ${leastMs} ms` : ""}${infinite ? ", or Infinity" : ""}`;
  throw invalid(field, accepted, value);
};
