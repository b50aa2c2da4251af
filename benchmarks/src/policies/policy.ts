import type { Trace } from "../traces.ts";

/** A cache with room for so many keys, as far as hits go. */
export interface Policy {
  readonly name: string;
  /** Whether `key` was held; holds it afterwards, if the policy wants to. */
  request(key: number): boolean;
}

/** The share of requests that hit. */
export const hitRatio = (trace: Trace, policy: Policy): number => {
  let hits = 0;
  for (const key of trace) if (policy.request(key)) hits++;
  return hits / trace.length;
};
