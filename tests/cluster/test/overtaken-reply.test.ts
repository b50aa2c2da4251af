import { expect, it } from "@jest/globals";
import { forEachSeed } from "../src/index.ts";
import { overtakenReply } from "../src/scenarios/overtaken-reply.ts";

it("a write whose reply is overtaken by an announcement leaves no old copy", async () => {
  const { seeds } = await forEachSeed(1_000, overtakenReply);
  expect(seeds).toBeGreaterThan(0);
}, 3_600_000);
