import { setImmediate, setTimeout } from "node:timers/promises";

/** @param ms How long, in milliseconds. */
export const pause = async (ms: number): Promise<void> => {
  await setTimeout(ms);
};

/** How work arrives. */
export interface Pace {
  /** So much is under way at once. */
  readonly concurrency: number;
  /** The work is spread over so much time: none of it begins before its turn. Default 0: as fast as it goes. */
  readonly spreadMs?: number;
}

// Answers from memory never let the event loop turn; requests that come over a network do.
const perTurn = 32;

/** Does all of `work`, taken up in its order. Rejects with the first failure, once everything under way has ended. */
export const traffic = async <T>(
  work: readonly T[],
  { concurrency, spreadMs = 0 }: Pace,
  perform: (item: T) => Promise<void>,
): Promise<void> => {
  const startedAt = performance.now();
  let next = 0;
  let failure: { readonly error: unknown } | undefined;
  const worker = async (): Promise<void> => {
    for (let taken = 1; next < work.length && failure === undefined; taken++) {
      const index = next++;
      const waitMs = startedAt + (index / work.length) * spreadMs - performance.now();
      if (waitMs > 0) await setTimeout(waitMs);
      try {
        await perform(work[index] as T);
      } catch (error) {
        failure ??= { error };
      }
      if (taken % perTurn === 0) await setImmediate();
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  if (failure !== undefined) throw failure.error;
};
