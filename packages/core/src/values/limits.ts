import { type Duration, durationMs } from "./duration.ts";
import { invalid } from "./invalid.ts";

/** What every call that can wait takes. */
export interface CallLimits {
  /** Gives up waiting: `ABORTED`, or `OUTCOME_UNKNOWN` once a commit is under way. */
  readonly signal?: AbortSignal;
  /** The longest that the call may take; then `DEADLINE_EXCEEDED`, or `OUTCOME_UNKNOWN`. Default: the registration's. */
  readonly hardTimeout?: Duration;
}

/** @throws {WarpError} `INVALID_ARGUMENT` for what is given and no AbortSignal. */
export const requireSignal = (signal: unknown): void => {
  if (
    signal === undefined ||
    (typeof signal === "object" && signal !== null && "aborted" in signal && "addEventListener" in signal)
  )
    return;
  throw invalid("signal", "an AbortSignal", signal);
};

/** @throws {WarpError} `INVALID_ARGUMENT` naming the field. */
export const limitsOf = (options: CallLimits): { signal: AbortSignal | undefined; timeoutMs: number | undefined } => {
  requireSignal(options.signal);
  const timeoutMs =
    options.hardTimeout === undefined ? undefined : durationMs("hardTimeout", options.hardTimeout, { leastMs: 1 });
  return { signal: options.signal, timeoutMs };
};
