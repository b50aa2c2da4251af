import { afterAll, describe, expect, it } from "@jest/globals";
import type { PlannedFault } from "../src/faults.ts";
import { runMixed } from "../src/mixed.ts";
import { planOf } from "../src/plans.ts";
import type { Combination } from "../src/protocol.ts";
import { Site } from "../src/site.ts";

const nodes = 3;
const calls = 2_000;
const faults = 2;
/** A run takes some 10 s; this is what it may take where the machine does much else. */
const busyMachineMs = 300_000;

/** Each store's first seed, and where its first plan begins in the list of faults that are certain. */
const startOf = { pg: { seed: 100, turn: 0 }, s3: { seed: 200, turn: 2 } } as const;

export interface MatrixRun {
  readonly combination: Combination;
  readonly seed: number;
  readonly plan: readonly PlannedFault[];
}

/** The short runs with one store. @param seed Instead of the seeds that are known to cover every kind of fault. */
export const runsOn = (store: Combination["store"], seed?: number): readonly MatrixRun[] =>
  (["nats", "kafka"] as const)
    .flatMap((bus) => (["memory", "memory+redis"] as const).map((cache): Combination => ({ bus, store, cache })))
    .map((combination, at) => {
      const start = startOf[store];
      const used = seed ?? start.seed + at;
      const turn = start.turn + at * faults;
      return { combination, seed: used, plan: planOf({ seed: used, combination, nodes, calls, faults, turn }) };
    });

/** A short run of each combination with one bus and one store; `WARP_SEED` chooses another seed. */
export const describeMatrix = (bus: Combination["bus"], store: Combination["store"]): void => {
  const site = new Site();
  afterAll(() => site.stop());
  const asked = process.env.WARP_SEED;
  const runs = runsOn(store, asked === undefined ? undefined : Number(asked));

  describe("after calls of every kind, and faults among them, every node agrees with the store", () => {
    for (const { combination, seed, plan } of runs.filter((run) => run.combination.bus === bus))
      it(
        `on ${Object.values(combination).join(", ")}: ${plan.map(({ fault }) => fault.name).join(", ")}`,
        async () => {
          const figures = await runMixed({ site, combination, seed, nodes, calls, plan });
          expect(Object.values(figures.endings).reduce((a, b) => a + b)).toBe(calls);
          for (const { fault } of plan)
            expect(figures.faults).toContainEqual(expect.stringMatching(new RegExp(`calls: ${fault.name}$`)));
        },
        busyMachineMs,
      );
  });
};
