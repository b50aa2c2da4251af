import type { MergeEngine } from "@warp/core";
import { foldingEngine } from "./fold.ts";
import { invalidValue } from "./invalid.ts";

/** An engine on finite numbers that keeps what `pick` picks. */
export const extremum = (name: string, pick: (...values: number[]) => number): MergeEngine<number> =>
  foldingEngine(
    name,
    (role, value) => {
      // Number.isFinite is false for anything but a number. Adding 0 turns -0, which JSON has no text for, into 0.
      if (Number.isFinite(value)) return (value as number) + 0;
      throw invalidValue(name, role, "a finite number", value);
    },
    (values) => pick(...values),
  );
