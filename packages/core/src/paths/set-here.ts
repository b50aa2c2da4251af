import { BareEntry, dirtyGeneration } from "../values/entry.ts";
import type { Context } from "./context.ts";
import { isThenable } from "./write-values.ts";

// As with hits, one in 1 024 takes the long way, where it is timed.
const timedMask = 1_023;

/**
 * The write that needs nobody: one value into the local tier of a node without store and shared tier, under a
 * registration that neither merges nor tells anybody.
 * @returns Whether it was done; if not, nothing was, and the general path decides.
 */
export const setHere = (context: Context, key: string, value: unknown): boolean => {
  const { local } = context;
  if (local === undefined || context.store !== undefined || context.shared !== undefined || local.isolate !== "none")
    return false;
  if (value === undefined || isThenable(value) || !context.isOpen()) return false;
  const registration = context.resolve(key);
  if (registration === undefined || !registration.isPlain || registration.generation >= dirtyGeneration) return false;
  if (registration.isDistributed && context.bus !== undefined) return false;
  if (((registration.meters.writes + 1) & timedMask) === 0) return false;
  if (context.fills.size > 0) context.fills.void(key);
  // Whole milliseconds are small integers to V8. The coarse clock is never ahead: at worst the entry expires early.
  const freshUntil = Math.floor(context.now.now() + registration.ttlMs);
  try {
    local.set(key, new BareEntry(value, registration, registration.generation, freshUntil));
  } catch {
    // Tried again, and refused, where a failure is a rejection.
    return false;
  }
  registration.meters.writes++;
  return true;
};
