import { describe, expect, it } from "@jest/globals";
import { busMutants } from "./mutants/bus-mutants.ts";
import { changeFeedMutants } from "./mutants/change-feed-mutants.ts";
import { historyMutants } from "./mutants/history-mutants.ts";
import { localCacheMutants } from "./mutants/local-cache-mutants.ts";
import type { Mutant } from "./mutants/mutant.ts";
import { sharedCacheMutants } from "./mutants/shared-cache-mutants.ts";
import { storeAnswerMutants } from "./mutants/store-answer-mutants.ts";
import { storeMutants } from "./mutants/store-mutants.ts";

const contracts: Readonly<Record<string, readonly Mutant[]>> = {
  LocalCache: localCacheMutants,
  SharedCache: sharedCacheMutants,
  Store: [...storeMutants, ...storeAnswerMutants],
  History: historyMutants,
  Bus: busMutants,
  ChangeFeed: changeFeedMutants,
};

/** What a case found wrong: an assertion that failed, or the adapter's own error. A crash of the mutant is neither. */
const finding = async ({ cases }: Mutant, name: string): Promise<string> => {
  const found = cases.find((one) => one.name === name);
  if (found === undefined) throw new Error(`there is no case "${name}"`);
  try {
    return await found.run();
  } catch (error) {
    return (error as Error).name;
  }
};

describe.each(Object.entries(contracts))("the contract of %s", (_port, mutants) => {
  it.each(mutants.map((mutant) => [mutant.defect, mutant] as const))(
    "is broken by an adapter that %s",
    async (_, mutant) => {
      expect(mutant.caughtBy).not.toEqual([]);
      for (const name of mutant.caughtBy)
        expect([name, await finding(mutant, name)]).toEqual([name, expect.stringMatching(/^(Assertion|Warp)?Error$/u)]);
    },
  );

  it("has at least five mutants, and each of its cases catches one", () => {
    expect(mutants.length).toBeGreaterThanOrEqual(5);
    const caught = new Set(mutants.flatMap(({ caughtBy }) => caughtBy));
    expect(mutants[0]?.cases.map(({ name }) => name).filter((name) => !caught.has(name))).toEqual([]);
  });

  it("names no case twice", () => {
    const names = mutants[0]?.cases.map(({ name }) => name) ?? [];
    expect(new Set(names).size).toBe(names.length);
  });
});
