import { expect, it } from "@jest/globals";
import { forEachSeed } from "../src/index.ts";
import { mutants } from "../src/mutants.ts";

// An old copy, an old answer, or a sum that is wrong: not an error that the mutant itself makes.
const symptom = /^seed \d+ failed.*\n.*( says | answered |must be in )/;

it.each(mutants)(
  "a core in which $name is caught",
  async ({ scenario, apply }) => {
    const mend = apply();
    try {
      await expect(forEachSeed(2_000, (scheduler) => scenario(scheduler), { env: {} })).rejects.toThrow(symptom);
    } finally {
      mend();
    }
  },
  3_600_000,
);
