import { expect, it } from "@jest/globals";
import { forEachSeed } from "../src/index.ts";
import { strong } from "../src/scenarios/strong.ts";
import { type StrongCheck, strongMutants } from "../src/strong-mutants.ts";

/** What the check that is named for a mutant says. */
const symptoms: Readonly<Record<StrongCheck, RegExp>> = {
  history: /not linearizable|G\d|G-single/,
  acknowledged: /says that it has no copy/,
  quorum: /others have acknowledged/,
  locks: /was granted (while|after|twice)/,
  leaks: /still holds \d+ fences/,
};

// `npm run simulate -- --mutants` begins with the first seed and prints the table of docs/reliability.md.
const table = process.env.WARP_MUTANTS !== undefined;

it.each(strongMutants)(
  "a core in which $name is caught by $caughtBy",
  async ({ name, caughtBy, seed, apply }) => {
    const mend = apply();
    try {
      const failure = await forEachSeed(10_000, strong, { env: {}, from: table ? 1 : seed }).then(
        () => "",
        (error: Error) => error.message,
      );
      if (table) process.stdout.write(`| ${name} | ${caughtBy} | ${failure.split(" ")[1]} |\n`);
      expect(failure).toMatch(symptoms[caughtBy]);
    } finally {
      mend();
    }
  },
  3_600_000,
);
