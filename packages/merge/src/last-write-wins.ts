import type { MergeEngine } from "@warp/core";

/**
 * The value written last stands: last to reach the store, whatever any clock says. Never reads what was there.
 * Associative and idempotent, not commutative.
 */
export const lastWriteWins = <V = unknown>(): MergeEngine<V> =>
  Object.freeze({
    portVersion: 1,
    name: "last-write-wins",
    readsCurrent: false,
    merge: (_current: V | undefined, incoming: V): V => incoming,
    combine: (_earlier: V, later: V): V => later,
  });
