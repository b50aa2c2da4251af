import { writeFileSync } from "node:fs";
import { expect, it } from "@jest/globals";
import { type Operation, timelinePage, timelineText } from "@warp/tests-histories";
import { forEachSeed } from "../src/index.ts";
import { strongTold } from "../src/scenarios/strong.ts";

const { WARP_SEED, WARP_PICTURE } = process.env;

/** Shows the history of a seed that is run alone. */
const show = (operations: readonly Operation[]): void => {
  if (WARP_SEED === undefined) return;
  process.stdout.write(`${timelineText(operations)}\n`);
  if (WARP_PICTURE !== undefined) writeFileSync(WARP_PICTURE, timelinePage(`seed ${WARP_SEED}`, operations));
};

it("strong keys are linearizable, and whoever acknowledged a write holds no copy, whatever goes wrong", async () => {
  const { seeds } = await forEachSeed(1_000, (scheduler) => strongTold(scheduler, show));
  expect(seeds).toBeGreaterThan(0);
}, 3_600_000);
