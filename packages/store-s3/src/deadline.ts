import { setMaxListeners } from "node:events";
import { type CallOptions, type Clock, WarpError } from "@warp/core";

const aborted = (cause: unknown): WarpError =>
  new WarpError("ABORTED", "the call was given up before anything was sent", { port: "store", cause });

/** What a promise that loses to a signal rejects with: no `WarpError`, since what was sent may take effect. */
const gaveUp = (reason: unknown): Error => {
  const error = new Error("the call was given up", { cause: reason });
  error.name = "AbortError";
  return error;
};

/** One for any number of requests: by default Node.js takes more than ten listeners for a leak. */
export const wideController = (): AbortController => {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
};

/** `promise`, or a rejection once `signal` is aborted. */
export const orAborted = <T>(promise: Promise<T>, signal: AbortSignal): Promise<T> =>
  new Promise((resolve, reject) => {
    const abort = (): void => reject(gaveUp(signal.reason));
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });

/** Runs `work` with a signal that is aborted with the caller's, or when its time is over. */
export const within = async <T>(
  timers: Pick<Clock, "schedule">,
  options: CallOptions | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> => {
  const { signal, timeoutMs } = options ?? {};
  if (signal?.aborted === true) throw aborted(signal.reason);
  const controller = wideController();
  const giveUp = (): void => controller.abort(signal?.reason);
  const cancel =
    timeoutMs === undefined || timeoutMs === Number.POSITIVE_INFINITY
      ? undefined
      : timers.schedule(timeoutMs, () => controller.abort(new Error(`no answer within ${timeoutMs} ms`)));
  signal?.addEventListener("abort", giveUp, { once: true });
  try {
    return await work(controller.signal);
  } finally {
    cancel?.();
    signal?.removeEventListener("abort", giveUp);
  }
};

/** Resolves after `delayMs`. @throws When aborted. */
export const pause = (timers: Pick<Clock, "schedule">, delayMs: number, signal: AbortSignal): Promise<void> => {
  let cancel = (): void => {};
  const waited = new Promise<void>((resolve) => {
    cancel = timers.schedule(delayMs, resolve);
  });
  return orAborted(waited, signal).finally(() => cancel());
};
