import { afterAll, describe, expect, it } from "@jest/globals";
import { runMixed } from "../src/mixed.ts";
import { planOf } from "../src/plans.ts";
import type { Combination } from "../src/protocol.ts";
import { Site } from "../src/site.ts";

const nodes = 3;
const calls = 2_000;
/** A run takes some 10 s; this is what it may take where the machine does much else. */
const busyMachineMs = 300_000;

/** A short run of each combination with one store; `WARP_SEED` chooses another seed. */
export const describeMatrix = (store: Combination["store"], firstSeed: number): void => {
  const site = new Site();
  afterAll(() => site.stop());
  const combinations = (["nats", "kafka"] as const).flatMap((bus) =>
    (["memory", "memory+redis"] as const).map((cache): Combination => ({ bus, store, cache })),
  );

  describe("after calls of every kind, and faults among them, every node agrees with the store", () => {
    combinations.forEach((combination, at) => {
      it(
        `on ${Object.values(combination).join(", ")}`,
        async () => {
          const seed = Number(process.env.WARP_SEED ?? firstSeed + at);
          const plan = planOf({ seed, combination, nodes, calls, faults: 2 });
          const figures = await runMixed({ site, combination, seed, nodes, calls, plan });
          expect(Object.values(figures.endings).reduce((a, b) => a + b)).toBe(calls);
        },
        busyMachineMs,
      );
    });
  });
};
