import { expect, it } from "@jest/globals";
import { forEachSeed } from "../src/index.ts";
import { criticalSection, type SectionCounts } from "../src/scenarios/critical-section.ts";

it("what a lock guards takes no token after a larger one, however long its holders pause", async () => {
  const counts: SectionCounts = { accepted: 0, refused: 0 };
  const { seeds } = await forEachSeed(200, (scheduler) => criticalSection(scheduler, counts));
  expect(counts.accepted).toBeGreaterThan(seeds);
  if (seeds > 20) expect(counts.refused).toBeGreaterThan(seeds / 4);
}, 3_600_000);
