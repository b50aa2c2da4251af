import { monotonicMs } from "./protocol.ts";

const pollMs = 50;

/** Waits for a condition. @returns How long it took, in ms; `undefined` if it did not come about in time. */
export const until = async (
  condition: () => boolean | Promise<boolean>,
  withinMs: number,
  everyMs: number = pollMs,
): Promise<number | undefined> => {
  const startedAt = monotonicMs();
  for (;;) {
    if (await condition()) return monotonicMs() - startedAt;
    if (monotonicMs() - startedAt > withinMs) return undefined;
    await new Promise((resolve) => {
      setTimeout(resolve, everyMs);
    });
  }
};
