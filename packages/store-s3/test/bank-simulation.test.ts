import { describe, expect, it } from "@jest/globals";
import { BankSimulation } from "./bank-simulation.ts";

const { WARP_TEST_SEEDS = "200", WARP_TEST_SEED } = process.env;
const first = Number(WARP_TEST_SEED ?? 1);
const seeds = WARP_TEST_SEED === undefined ? Number(WARP_TEST_SEEDS) : 1;

describe("transfers while requests are lost, late and garbled, and processes stand still and die", () => {
  it(`land whole or not at all, as their callers were told, in one order: ${seeds} seeds`, async () => {
    const sums = { landed: 0, refused: 0, unknown: 0 };
    for (let seed = first; seed < first + seeds; seed += 1) {
      const simulation = new BankSimulation(seed);
      await simulation.run().catch((cause: unknown) => {
        throw new Error(`WARP_TEST_SEED=${seed}: ${String(cause)}`, { cause });
      });
      for (const outcome of ["landed", "refused", "unknown"] as const) sums[outcome] += simulation.outcomes[outcome];
    }
    // Else it proves little.
    if (seeds < 20) return;
    for (const count of Object.values(sums)) expect(count).toBeGreaterThan(seeds / 2);
  });
});
