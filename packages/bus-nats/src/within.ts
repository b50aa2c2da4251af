import { type CallOptions, type Cancel, type Clock, isAborted } from "@warp/core";
import { busError } from "./failures.ts";

/** A signal costs much of a call: it is asked for by those that take longer than this, in milliseconds. */
const promptMs = 20;

/** How long a call waits, and with what. */
export interface Patience {
  readonly operation: string;
  readonly call: CallOptions | undefined;
  readonly clock: Pick<Clock, "schedule">;
}

/** @throws {WarpError} `ABORTED` if nobody waits any more: then nothing is sent. */
export const requireAwaited = (call: CallOptions | undefined, operation: string): void => {
  if (isAborted(call))
    throw busError("ABORTED", `the ${operation} was aborted before it was sent`, operation, call?.signal?.reason);
};

/**
 * What `work` settles with, unless time is up or nobody waits any more before that.
 * @throws {WarpError} `DEADLINE_EXCEEDED` after `timeoutMs`; `ABORTED` with the signal, which is looked at from 20 ms on;
 *   else what `work` rejects with.
 */
export const within = <T>(work: Promise<T>, { operation, call, clock }: Patience): Promise<T> => {
  if (call === undefined) return work;
  return new Promise((resolve, reject) => {
    const { timeoutMs = Number.POSITIVE_INFINITY } = call;
    let signal: AbortSignal | undefined;
    let cancel: Cancel | undefined;
    // Whatever comes first: `work` may never settle, and the signal may outlive it.
    const done = (): void => {
      cancel?.();
      signal?.removeEventListener("abort", onAbort);
    };
    const refuse = (code: "ABORTED" | "DEADLINE_EXCEEDED", message: string, cause?: unknown): void => {
      done();
      reject(busError(code, message, operation, cause));
    };
    const onAbort = (): void => refuse("ABORTED", `the ${operation} was aborted`, signal?.reason);
    const onTimeout = (): void => {
      signal ??= isAborted(call) ? call.signal : undefined;
      if (signal?.aborted === true) onAbort();
      else refuse("DEADLINE_EXCEEDED", `NATS did not answer within ${timeoutMs} ms`);
    };
    const onSlow = (): void => {
      cancel = Number.isFinite(timeoutMs) ? clock.schedule(timeoutMs - promptMs, onTimeout) : undefined;
      signal = call.signal;
      if (signal?.aborted === true) onAbort();
      else signal?.addEventListener("abort", onAbort);
    };
    cancel = timeoutMs <= promptMs ? clock.schedule(timeoutMs, onTimeout) : clock.schedule(promptMs, onSlow);
    work.then(
      (result) => {
        done();
        resolve(result);
      },
      (error: unknown) => {
        done();
        reject(error);
      },
    );
  });
};
