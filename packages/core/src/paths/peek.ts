import { markVisited } from "../values/entry.ts";
import { type Context, registrationFor } from "./context.ts";
import { isolateOut, standingOf } from "./tiers.ts";

/** What the local tier may serve without asking anybody; for entries that the fast path leaves out. */
export const peekKey = (context: Context, key: string): unknown => {
  const registration = registrationFor(context, key, "peek");
  const entry = context.local?.get(key);
  if (entry === undefined || entry.value === undefined || registration.policy.mode === "strong-distributed")
    return undefined;
  const standing = standingOf(entry, registration, context.now.now());
  if (standing === "suspect" || standing === "expired" || context.dirty?.isPartial(key) === true) return undefined;
  markVisited(entry);
  registration.meters.localHits++;
  return isolateOut(context, entry.value);
};
