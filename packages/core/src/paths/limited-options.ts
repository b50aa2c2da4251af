import { WarpError } from "../errors.ts";
import { type Duration, durationMs } from "../values/duration.ts";
import { describeValue } from "../values/invalid.ts";
import type { Limits } from "./context.ts";

/** What limits a call about leases and locks. */
interface LimitedOptions {
  readonly signal?: AbortSignal;
  readonly hardTimeout?: Duration;
}

const invalid = (reason: string): WarpError => new WarpError("INVALID_ARGUMENT", reason);

/** @throws {WarpError} `INVALID_ARGUMENT` for what is no object, and for a field that nobody reads. */
export const requireFields = (operation: string, options: unknown, known: readonly string[]): void => {
  if (typeof options !== "object" || options === null)
    throw invalid(`options must be an object; got ${describeValue(options)}`);
  const unknown = Object.keys(options).find((field) => !known.includes(field));
  if (unknown !== undefined) throw invalid(`${operation} has no option "${unknown}"; there are ${known.join(", ")}`);
};

/** @throws {WarpError} `INVALID_ARGUMENT` naming the field. */
export const limitsOf = ({ signal, hardTimeout }: LimitedOptions): Limits => {
  if (signal !== undefined && (typeof signal !== "object" || signal === null || !("aborted" in signal)))
    throw invalid(`signal must be an AbortSignal; got ${describeValue(signal)}`);
  return {
    signal,
    timeoutMs: hardTimeout === undefined ? undefined : durationMs("hardTimeout", hardTimeout, { leastMs: 1 }),
  };
};
