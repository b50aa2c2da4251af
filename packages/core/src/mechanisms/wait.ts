import { WarpError, type WarpErrorDetails } from "../errors.ts";
import type { Cancel, Clock } from "../values/clock.ts";

export interface WaitLimits {
  readonly signal?: AbortSignal | undefined;
  /** `undefined` or `Infinity`: no deadline. */
  readonly timeoutMs?: number | undefined;
  /** What goes into the error. */
  readonly details: WarpErrorDetails;
}

/** `ABORTED`, with the signal's reason as its cause. */
export const abortedError = (signal: AbortSignal, details: WarpErrorDetails): WarpError =>
  new WarpError("ABORTED", "the caller aborted", { ...details, cause: signal.reason });

export const deadlineError = (timeoutMs: number, details: WarpErrorDetails): WarpError =>
  new WarpError("DEADLINE_EXCEEDED", `no answer within ${Math.round(timeoutMs)} ms`, details);

/**
 * `promise`, or a rejection with `ABORTED` or `DEADLINE_EXCEEDED` if that comes first. The work behind `promise` goes
 * on, and its late failure is nobody's: it raises no unhandled rejection.
 */
export const waitFor = <T>(
  clock: Clock,
  promise: Promise<T>,
  { signal, timeoutMs, details }: WaitLimits,
): Promise<T> => {
  const limited = timeoutMs !== undefined && timeoutMs !== Number.POSITIVE_INFINITY;
  if (signal === undefined && !limited) return promise;
  return new Promise<T>((resolve, reject) => {
    let cancelTimer: Cancel | undefined;
    const finish = (): void => {
      cancelTimer?.();
      signal?.removeEventListener("abort", onAbort);
    };
    const onAbort = (): void => {
      finish();
      reject(abortedError(signal as AbortSignal, details));
    };
    promise.then(
      (value) => {
        finish();
        resolve(value);
      },
      (error: unknown) => {
        finish();
        reject(error);
      },
    );
    if (signal?.aborted === true) return onAbort();
    signal?.addEventListener("abort", onAbort);
    if (limited) {
      cancelTimer = clock.schedule(timeoutMs, () => {
        finish();
        reject(deadlineError(timeoutMs, details));
      });
    }
  });
};

/** What `within` resolves to when time is up. */
export const late: unique symbol = Symbol("late");

/** `promise`, or `late` if it takes longer than `ms`. */
export const within = <T>(clock: Clock, promise: Promise<T>, ms: number): Promise<T | typeof late> =>
  new Promise((resolve, reject) => {
    const cancel = clock.schedule(ms, () => resolve(late));
    promise.then(
      (value) => {
        cancel();
        resolve(value);
      },
      (error: unknown) => {
        cancel();
        reject(error);
      },
    );
  });
