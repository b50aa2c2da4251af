import type { CallOptions, Clock } from "@warp/core";
import { busError } from "./failures.ts";

/** How long a call waits, and with what. */
export interface Patience {
  readonly operation: string;
  readonly call: CallOptions | undefined;
  readonly clock: Pick<Clock, "schedule">;
}

/** @throws {WarpError} `ABORTED` if nobody waits any more: then nothing is sent. */
export const requireAwaited = (call: CallOptions | undefined, operation: string): void => {
  if (call?.signal?.aborted === true)
    throw busError("ABORTED", `the ${operation} was aborted before it was sent`, operation, call.signal.reason);
};

/**
 * What `work` settles with, unless time is up or nobody waits any more before that.
 * @throws {WarpError} `DEADLINE_EXCEEDED` after `timeoutMs`, `ABORTED` with the signal; else what `work` rejects with.
 */
export const within = <T>(work: Promise<T>, { operation, call, clock }: Patience): Promise<T> => {
  const { signal, timeoutMs } = call ?? {};
  if (signal === undefined && timeoutMs === undefined) return work;
  return new Promise((resolve, reject) => {
    // Whatever comes first: `work` may never settle, and the signal may outlive it.
    const done = (settle: () => void): void => {
      cancel?.();
      signal?.removeEventListener("abort", onAbort);
      settle();
    };
    const refuse = (code: "ABORTED" | "DEADLINE_EXCEEDED", message: string, cause?: unknown): void =>
      done(() => reject(busError(code, message, operation, cause)));
    const onAbort = (): void => refuse("ABORTED", `the ${operation} was aborted`, signal?.reason);
    const onTimeout = (): void => refuse("DEADLINE_EXCEEDED", `NATS did not answer within ${timeoutMs} ms`);
    const cancel = timeoutMs === undefined ? undefined : clock.schedule(timeoutMs, onTimeout);
    signal?.addEventListener("abort", onAbort);
    work.then(
      (result) => done(() => resolve(result)),
      (error: unknown) => done(() => reject(error)),
    );
  });
};
