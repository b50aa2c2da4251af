/** Stops a timer or a subscription. Calling it again does nothing. */
export type Cancel = () => void;

/**
 * Where Warp takes time from. Everything that waits goes through one, so that a test can own time.
 * Durations inside a node are measured with `monotonic`; `now` is for dates that leave the node.
 */
export interface Clock {
  /** The wall clock, in milliseconds since the epoch. May jump either way. */
  now(): number;
  /** Milliseconds since an arbitrary origin; never goes back. */
  monotonic(): number;
  /**
   * Runs `run` once, `delayMs` from now (any length; 0 means as soon as possible, never synchronously).
   * @param background A timer that must not keep the process alive.
   */
  schedule(delayMs: number, run: () => void, background?: boolean): Cancel;
}

// setTimeout takes 32-bit delays: a longer one would fire at once (Node.js manual, timers).
const longestTimeoutMs = 2 ** 31 - 1;

const scheduleInTurns = (delayMs: number, run: () => void, background: boolean): Cancel => {
  let cancel: Cancel;
  const next = (): void => {
    cancel = schedule(delayMs - longestTimeoutMs, run, background);
  };
  cancel = schedule(longestTimeoutMs, next, background);
  return () => cancel();
};

const schedule = (delayMs: number, run: () => void, background = false): Cancel => {
  if (delayMs > longestTimeoutMs) return scheduleInTurns(delayMs, run, background);
  const handle = setTimeout(run, Math.max(0, delayMs));
  if (background) handle.unref();
  return () => clearTimeout(handle);
};

/** The clock of this machine. `monotonic` is milliseconds since the process started. */
export const systemClock: Clock = Object.freeze({
  now: () => Date.now(),
  monotonic: () => performance.now(),
  schedule,
});

/** Resolves after `delayMs` by `clock`. */
export const delay = (clock: Clock, delayMs: number, background = false): Promise<void> =>
  new Promise((resolve) => {
    clock.schedule(delayMs, resolve, background);
  });
