import type { CallOptions, Cancel, Clock } from "@warp/core";
import { busError } from "./failures.ts";

/**
 * Waits for `work` as long as the caller does.
 * @param operation For the error.
 * @throws {WarpError} `DEADLINE_EXCEEDED`, `ABORTED`; the work goes on.
 */
export const within = async (
  work: Promise<void>,
  operation: string,
  { signal, timeoutMs }: CallOptions,
  timers: Pick<Clock, "schedule">,
): Promise<void> => {
  let cancel: Cancel | undefined;
  let onAbort: (() => void) | undefined;
  const over = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(busError("ABORTED", `${operation} was aborted`, signal?.reason));
    if (signal?.aborted) return onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    if (timeoutMs === undefined) return;
    const late = (): void => reject(busError("DEADLINE_EXCEEDED", `${operation} was not done in ${timeoutMs} ms`));
    cancel = timers.schedule(timeoutMs, late);
  });
  try {
    // In this order: who gave up before anything was done is told so.
    await Promise.race([over, work]);
  } finally {
    cancel?.();
    if (onAbort !== undefined) signal?.removeEventListener("abort", onAbort);
  }
};
