import { expect, it } from "@jest/globals";
import { unavailable } from "../src/failures.ts";
import { Intents } from "../src/intents.ts";
import { Claims } from "../src/pieces.ts";
import { Records } from "../src/records.ts";
import { Requests } from "../src/requests.ts";
import { Snapshots } from "../src/snapshots.ts";
import { Transactions } from "../src/transactions.ts";
import { BankSimulation } from "./bank-simulation.ts";

/** Puts something else in the place of a method. @returns What mends it. */
const replace = <T extends object, K extends keyof T>(
  target: T,
  name: K,
  make: (original: T[K]) => T[K],
): (() => void) => {
  const original = target[name];
  target[name] = make(original);
  return () => {
    target[name] = original;
  };
};

/** Stores that leave out one step of a transaction each. */
const mutants: readonly (readonly [name: string, apply: () => () => void])[] = [
  [
    "several keys are read in one pass",
    () =>
      replace(
        Snapshots.prototype,
        "read",
        (original) =>
          function (this: Snapshots, keys, unless, signal) {
            const each = keys.map((key, index) => original.call(this, [key], [unless[index]], signal));
            return Promise.all(each).then((found) => found.flat());
          },
      ),
  ],
  [
    "what was read under an intent is taken to stand as long as its tag",
    () =>
      replace(
        Records.prototype,
        "readAgain",
        (original) =>
          function (this: Records, key, before, signal) {
            return original.call(this, key, { ...before, claim: undefined }, signal);
          },
      ),
  ],
  [
    "a key that is only checked bears no intent",
    () =>
      replace(
        Claims.prototype,
        "place",
        (original) =>
          function (this: Claims, transaction, pieces, signal) {
            const written = pieces.filter(({ mutation }) => mutation.kind !== "check");
            return original.call(this, transaction, written, signal);
          },
      ),
  ],
  [
    "an intent under way is written over, and its transaction left to commit",
    () =>
      replace(
        Intents.prototype,
        "end",
        () =>
          function (this: Intents, key, found, signal) {
            return this.resolve(key, found, signal);
          },
      ),
  ],
  [
    "a transaction under way counts as committed",
    () =>
      replace(
        Transactions.prototype,
        "read",
        (original) =>
          async function (this: Transactions, id, signal) {
            const found = await original.call(this, id, signal);
            return found?.state === "pending" ? { ...found, state: "committed" } : found;
          },
      ),
  ],
  [
    "a transaction that somebody ended is ended once more",
    () =>
      replace(
        Requests.prototype,
        "put",
        (original) =>
          function (this: Requests, name, bytes, condition, signal) {
            const isEnd = name.includes("t/") && condition !== "absent";
            return original.call(this, name, bytes, isEnd ? "always" : condition, signal);
          },
      ),
  ],
  [
    "an outcome that is unknown is taken for a refusal",
    () =>
      replace(
        Transactions.prototype,
        "commit",
        (original) =>
          async function (this: Transactions, ...call) {
            try {
              return await original.apply(this, call);
            } catch (error) {
              throw unavailable(undefined, error);
            }
          },
      ),
  ],
];

it.each(mutants)(
  "a store in which %s is caught",
  async (name, apply) => {
    const mend = apply();
    let failure = "";
    try {
      for (let seed = 1; seed <= 3_000 && failure === ""; seed += 1)
        await new BankSimulation(seed).run().catch((error: unknown) => {
          failure = `seed ${seed}: ${String(error)}`;
        });
    } finally {
      mend();
    }
    if (process.env.WARP_MUTANTS !== undefined) process.stdout.write(`| ${name} | ${failure.split(":")[0]} |\n`);
    expect(failure).toMatch(/a reader saw|there is|landed|is lost|not linearizable|G\d|G-single/);
  },
  600_000,
);
