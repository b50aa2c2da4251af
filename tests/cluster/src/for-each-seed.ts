import { Scheduler } from "./scheduler.ts";

export interface ForEachSeedOptions {
  /** The first seed. Default 1. */
  readonly from?: number;
  /** Where `WARP_SEED` and `WARP_SEEDS` are looked up. Default: the environment. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export interface SeedSummary {
  readonly seeds: number;
  /** Timers fired in all. */
  readonly steps: number;
}

const wholeNumber = (name: string, text: string): number => {
  const number = Number(text);
  if (text.trim() === "" || !Number.isSafeInteger(number) || number < 0)
    throw new Error(`${name} must be a whole number; got "${text}"`);
  return number;
};

const seedsToRun = (
  count: number,
  { from = 1, env = process.env }: ForEachSeedOptions,
): [first: number, count: number] => {
  const { WARP_SEED: one, WARP_SEEDS: many } = env;
  if (one !== undefined) return [wholeNumber("WARP_SEED", one), 1];
  return [from, many === undefined ? count : wholeNumber("WARP_SEEDS", many)];
};

const failure = (seed: number, scheduler: Scheduler, cause: unknown): Error => {
  const message = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
  const lines = scheduler.traceLines().slice(-12).join("\n  ");
  return new Error(
    `seed ${seed} failed at ${scheduler.nowMs.toFixed(3)} ms; replay it alone: WARP_SEED=${seed} npm test -- -t '<this test>'\n${message}\nlast steps:\n  ${lines}`,
    { cause },
  );
};

/**
 * Runs a scenario on `count` seeds, one after another, each on a scheduler of its own. The first that fails rejects,
 * naming its seed. `WARP_SEED=n` runs only that seed, `WARP_SEEDS=n` so many. A rejection that nobody handles fails
 * the test too, but by Jest, which knows no seed.
 */
export const forEachSeed = async (
  count: number,
  run: (scheduler: Scheduler) => Promise<void>,
  options: ForEachSeedOptions = {},
): Promise<SeedSummary> => {
  const [first, seeds] = seedsToRun(count, options);
  let steps = 0;
  for (let seed = first; seed < first + seeds; seed++) {
    const scheduler = new Scheduler(seed);
    try {
      await run(scheduler);
    } catch (cause) {
      throw failure(seed, scheduler, cause);
    }
    steps += scheduler.steps;
  }
  return { seeds, steps };
};
