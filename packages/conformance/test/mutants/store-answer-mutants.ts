import { conflictsOf } from "@warp/core";
import { storeCases } from "../../src/index.ts";
import type { Mutant } from "./mutant.ts";
import { force, openChanged, type StoreChange } from "./store-backend.ts";

const mutant = (defect: string, caughtBy: readonly string[], change: StoreChange): Mutant => ({
  defect,
  caughtBy,
  cases: storeCases(() => openChanged(change)),
});

/** Commits whose answer nobody reads. */
export const storeAnswerMutants: readonly Mutant[] = [
  mutant(
    "forgets the time to live where nobody reads the answer",
    ["a commit whose answer nobody reads leaves what any other leaves"],
    (base) => ({
      commit: (operation, mutations, options, answer) => {
        const left = answer === "none" ? mutations.map((one) => ({ ...one, ttlMs: undefined })) : mutations;
        return base.commit(operation, left, options, answer);
      },
    }),
  ),
  mutant(
    "answers with the record before where nobody reads the answer",
    ["a commit whose answer nobody reads leaves what any other leaves"],
    (base, { data }) => ({
      commit: async (operation, mutations, options, answer) => {
        const before = mutations.map(({ key }) => data.current(key));
        const records = await base.commit(operation, mutations, options);
        return answer === "none" ? before : records;
      },
    }),
  ),
  mutant(
    "commits whatever stands where nobody reads the answer",
    ["a commit whose answer nobody reads lands only where its conditions hold"],
    (base, backend) => ({
      commit: (operation, mutations, options, answer) =>
        answer === "none"
          ? force(backend, base, operation, mutations)
          : base.commit(operation, mutations, options, answer),
    }),
  ),
  mutant(
    "takes its own landing for a second one where nobody reads the answer",
    ["a commit whose answer nobody reads does not land twice"],
    (base) => ({
      commit: async (operation, mutations, options, answer) => {
        try {
          return await base.commit(operation, mutations, options, answer);
        } catch (error) {
          const isOwn = [...(conflictsOf(error)?.values() ?? [])].some((record) => record?.revision === operation);
          if (answer === "none" && isOwn) return [];
          throw error;
        }
      },
    }),
  ),
  mutant(
    "commits one key after another where nobody reads the answer",
    ["a commit of several keys whose answer nobody reads lands on all or none"],
    (base) => ({
      commit: async (operation, mutations, options, answer) => {
        if (answer !== "none") return await base.commit(operation, mutations, options, answer);
        for (const one of mutations) await base.commit(operation, [one], options, answer);
        return [];
      },
    }),
  ),
];
