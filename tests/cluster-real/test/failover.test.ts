import { afterAll, expect, it } from "@jest/globals";
import { failOver } from "../src/faults.ts";
import { runMixed } from "../src/mixed.ts";
import { Site } from "../src/site.ts";

const site = new Site();
afterAll(() => site.stop());

it("when Redis fails over to its replica among calls of every kind, every node agrees with the store afterwards", async () => {
  const figures = await runMixed({
    site,
    combination: { bus: "nats", store: "pg", cache: "memory+sentinel" },
    seed: 41,
    nodes: 3,
    calls: 3_000,
    plan: [{ fault: failOver, at: 800, calls: 1_500, mostMs: 6_000 }],
  });
  expect(figures.faults).toHaveLength(2);
}, 300_000);
