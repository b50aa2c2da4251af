import { afterAll, expect, it } from "@jest/globals";
import { type GrowthOptions, growth } from "../src/growth.ts";
import { Site } from "../src/site.ts";

const site = new Site();
afterAll(() => site.stop());

/** `npm run reliability -- heap` is the long run, with 10⁶ keys. */
const keys = 40_000;
const combination: GrowthOptions["combination"] = { bus: "nats", store: "pg", cache: "memory+redis" };
const busyMachineMs = 300_000;

/** Bytes for each key after the first tenth. */
const bytesPerKey = async (room: number): Promise<number> => {
  const { earlyBytes, lateBytes } = await growth({ site, combination, seed: 1, keys, room });
  return (lateBytes - earlyBytes) / (0.9 * keys);
};

it(
  "the heap grows with the keys that a process has room for, and not with those that it has seen",
  async () => {
    const [flat, growing] = [await bytesPerKey(1_000), await bytesPerKey(keys)];
    // That it grows here shows that growth would be seen.
    expect(growing).toBeGreaterThan(90);
    expect(flat).toBeLessThan(60);
  },
  busyMachineMs,
);
