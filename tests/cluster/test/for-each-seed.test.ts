import { expect, it } from "@jest/globals";
import { forEachSeed } from "../src/index.ts";

it("runs so many seeds, each on a scheduler of its own", async () => {
  const seen: number[] = [];
  const summary = await forEachSeed(
    4,
    async (scheduler) => {
      seen.push(scheduler.seed);
      await scheduler.complete(scheduler.delay(1));
    },
    { from: 10, env: {} },
  );
  expect(seen).toEqual([10, 11, 12, 13]);
  expect(summary).toEqual({ seeds: 4, steps: 4 });
});

it("names the seed that failed, how to replay it and what it did last, and keeps the cause", async () => {
  const cause = new Error("a stale value was served");
  const run = forEachSeed(
    100,
    async (scheduler) => {
      scheduler.note(`looking at ${scheduler.seed}`);
      if (scheduler.seed === 37) throw cause;
    },
    { env: {} },
  );
  await expect(run).rejects.toMatchObject({ cause });
  await expect(run).rejects.toThrow(/seed 37 failed.*WARP_SEED=37.*a stale value was served.*looking at 37/s);
});

it("runs one seed alone, or another number of seeds, where the environment says so", async () => {
  const seedsOf = async (env: Record<string, string>) => {
    const seen: number[] = [];
    await forEachSeed(3, async ({ seed }) => void seen.push(seed), { env });
    return seen;
  };
  expect(await seedsOf({ WARP_SEED: "123" })).toEqual([123]);
  expect(await seedsOf({ WARP_SEEDS: "5" })).toEqual([1, 2, 3, 4, 5]);
  expect(await seedsOf({})).toEqual([1, 2, 3]);
  await expect(seedsOf({ WARP_SEED: "twelve" })).rejects.toThrow('WARP_SEED must be a whole number; got "twelve"');
});
