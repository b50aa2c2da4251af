import { afterAll, describe, expect, it } from "@jest/globals";
import { type GrowthOptions, growth } from "../src/growth.ts";
import { Site } from "../src/site.ts";

const site = new Site();
afterAll(() => site.stop());

/** `npm run reliability -- heap` is the long run, with 10⁶ keys. */
const keys = 40_000;
const combination: GrowthOptions["combination"] = { bus: "nats", store: "pg", cache: "memory+redis" };
const busyMachineMs = 300_000;

const grownBy = async (room: number): Promise<number> => {
  const { earlyBytes, lateBytes } = await growth({ site, combination, seed: 1, keys, room });
  return lateBytes / earlyBytes;
};

describe("the heap of a process after distinct keys", () => {
  it(
    "is as large after all of them as after a tenth, where there is room for fewer",
    async () => {
      expect(await grownBy(1_000)).toBeLessThan(1.15);
    },
    busyMachineMs,
  );

  it(
    "is seen to grow where there is room for all of them",
    async () => {
      expect(await grownBy(keys)).toBeGreaterThan(1.3);
    },
    busyMachineMs,
  );
});
