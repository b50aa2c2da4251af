import { setTimeout as turn } from "node:timers/promises";

/** Resolves once `condition` holds. */
export const until = async (what: string, condition: () => Promise<boolean>): Promise<void> => {
  for (const deadline = performance.now() + 20_000; !(await condition()); await turn(5))
    if (performance.now() > deadline) throw new Error(`did not come about: ${what}`);
};
