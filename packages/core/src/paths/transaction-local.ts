import { isDeepStrictEqual } from "node:util";
import { WarpError } from "../errors.ts";
import type { Context } from "./context.ts";
import { dropElsewhere } from "./shared-changes.ts";
import { dropLocal, isolateIn } from "./tiers.ts";
import { resultsOf, type Work } from "./transaction-steps.ts";
import { currentLocalValue, keepOnly, putLocally } from "./write-local.ts";

/**
 * A transaction where the local tier is all there is: one synchronous step, so nobody sees half of it. The other nodes
 * forget the keys.
 */
export const commitTransactionLocally = async (context: Context, works: ReadonlyMap<string, Work>): Promise<void> => {
  const currentOf = (key: string): unknown => {
    const work = works.get(key);
    return work === undefined ? undefined : currentLocalValue(context, work.registration, key);
  };
  const changed = [...works]
    .filter(([key, { read }]) => read !== undefined && !isDeepStrictEqual(read.value, currentOf(key)))
    .map(([key]) => key);
  if (changed.length > 0) {
    throw new WarpError("CONFLICT", "changed since they were read", {
      keys: changed,
      key: changed[0],
      operation: "commit",
    });
  }
  const results = resultsOf(works, currentOf);
  // Refused before anything has changed.
  for (const [key, value] of results) isolateIn(context, key, value);
  for (const [key, value] of results) {
    const { registration } = works.get(key) as Work;
    dropLocal(context, key);
    if (value === undefined)
      context.versions?.add(key, undefined, registration, registration.generation, context.clock.now());
    else putLocally(context, registration, key, value);
  }
  const keys = [...results.keys()];
  if (keys.length === 0) return;
  if (!keys.some((key) => works.get(key)?.registration.isDistributed === true)) return;
  const left = keys.map((key) => context.local?.get(key));
  await dropElsewhere(context, keys, () => {
    keys.forEach((key, index) => {
      keepOnly(context, key, left[index]);
    });
  });
};
