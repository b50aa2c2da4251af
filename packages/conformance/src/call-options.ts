import assert from "node:assert/strict";
import type { CallOptions } from "@warp/core";

/** What an ordinary call brings along: nobody has given up, and there is time. Times left are seldom whole. */
export const unhurried = (): CallOptions => ({ signal: new AbortController().signal, timeoutMs: 9_000.25 });

/** What calls bring along for which nobody waits any more, or that have no time left to speak of. */
export const hurried: readonly CallOptions[] = [
  { signal: AbortSignal.abort(), timeoutMs: 5_000 },
  { timeoutMs: 1 },
  { signal: AbortSignal.abort(), timeoutMs: 1 },
];

/** Waits for calls that may end either way. */
export const settle = async (calls: readonly (() => Promise<unknown>)[]): Promise<void> => {
  const outcomes = await Promise.allSettled(calls.map((call) => call()));
  for (const outcome of outcomes)
    if (outcome.status === "rejected") assert.ok(outcome.reason !== undefined, "a rejection says why");
};
