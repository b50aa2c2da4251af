import type { MergeEngine } from "@warp/core";
import { extremum } from "./extremum.ts";

/**
 * The greatest number written so far. Commutative, associative and idempotent.
 * Merging throws `INVALID_VALUE` for anything but a finite number.
 */
export const max = (): MergeEngine<number> => extremum("max", Math.max);
