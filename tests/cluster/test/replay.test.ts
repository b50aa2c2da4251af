import { expect, it } from "@jest/globals";
import { forEachSeed, Scheduler } from "../src/index.ts";
import { mutants } from "../src/mutants.ts";
import { busOutage } from "../src/scenarios/bus-outage.ts";
import { death } from "../src/scenarios/death.ts";
import { gap } from "../src/scenarios/gap.ts";
import { mixed } from "../src/scenarios/mixed.ts";
import { overtakenLoad } from "../src/scenarios/overtaken-load.ts";
import { overtakenLoader } from "../src/scenarios/overtaken-loader.ts";
import { overtakenReply } from "../src/scenarios/overtaken-reply.ts";
import { restart } from "../src/scenarios/restart.ts";
import { sharedSlot } from "../src/scenarios/shared-slot.ts";
import { sharedTrouble } from "../src/scenarios/shared-trouble.ts";
import { storeExpiry } from "../src/scenarios/store-expiry.ts";
import { unknownOutcome } from "../src/scenarios/unknown-outcome.ts";
import { writeBehind } from "../src/scenarios/write-behind.ts";

const scenarios = {
  busOutage,
  death,
  gap,
  mixed,
  overtakenLoad,
  overtakenLoader,
  overtakenReply,
  restart,
  sharedSlot,
  sharedTrouble,
  storeExpiry,
  unknownOutcome,
  writeBehind,
};

it.each(Object.entries(scenarios))("a seed of %s replays to the last step", async (_, scenario) => {
  const run = async (seed: number): Promise<string> => {
    const scheduler = new Scheduler(seed);
    await scenario(scheduler);
    return scheduler.traceHash();
  };
  const hashes = new Set<string>();
  for (let seed = 1; seed <= 5; seed++) {
    const hash = await run(seed);
    expect(await run(seed)).toBe(hash);
    hashes.add(hash);
  }
  expect(hashes.size).toBe(5);
});

it("the seed that a failure names fails alone in the same way", async () => {
  const mutant = mutants.find(({ name }) => name === "a skipped number is no gap");
  const mend = mutant?.apply();
  try {
    const failureOf = async (env: Record<string, string>): Promise<string> => {
      const run = forEachSeed(2_000, (scheduler) => gap(scheduler), { env });
      return await run.then(
        () => "none",
        // Without the lines that say where in the tests it was called.
        ({ message }: Error) => message.replaceAll(/^\s+at .*\n/gm, ""),
      );
    };
    const failure = await failureOf({});
    const [, seed = ""] = /WARP_SEED=(\d+)/.exec(failure) ?? [];
    expect(await failureOf({ WARP_SEED: seed })).toBe(failure);
  } finally {
    mend?.();
  }
});
