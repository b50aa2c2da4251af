import { afterAll, describe, expect, it } from "@jest/globals";
import { readOvertakenCopy } from "../src/overtaken-copy.ts";
import { planOf } from "../src/plans.ts";
import type { Combination } from "../src/protocol.ts";
import { loseQuorum } from "../src/quorum-loss.ts";
import { Site } from "../src/site.ts";
import { runStrong } from "../src/strong.ts";

const site = new Site();
afterAll(() => site.stop());

const nodes = 5;
const quorum = 3;
const busyMachineMs = 300_000;
const combinations = (["nats-cluster", "kafka"] as const).flatMap((bus) =>
  (["pg", "s3"] as const).map((store): Combination => ({ bus, store, cache: "memory" })),
);
const described = ({ bus, store }: Combination): string => `${bus}, ${store}`;

describe("strong keys under faults: every answer, and what is left in the end, fit one order", () => {
  combinations.forEach((combination, at) => {
    it(
      `on ${described(combination)}`,
      async () => {
        const seed = Number(process.env.WARP_SEED ?? 200 + at);
        // A transaction on S3 takes a dozen requests.
        const calls = combination.store === "pg" ? 500 : 150;
        const plan = planOf({ seed, combination, nodes, calls, faults: 3, turn: 3 * at });
        const figures = await runStrong({ site, combination, seed, nodes, quorum, calls, plan });
        expect(figures.anomalies).toEqual([]);
        expect(figures.operations).toBeGreaterThan(calls * 0.9);
        expect(figures.endings["set ok"]).toBeGreaterThan(0);
      },
      busyMachineMs,
    );
  });
});

describe("without a quorum", () => {
  const [natsAndPg, , , kafkaAndS3] = combinations as [Combination, Combination, Combination, Combination];

  it.each([natsAndPg, kafkaAndS3].map((combination) => [described(combination), combination] as const))(
    "on %s, writes are refused on both sides, nothing is stored, reads are right, and with it writes are back",
    async (_, combination) => {
      const { refused, stored, before, read, backMs, problems } = await loseQuorum(site, combination, 7);
      expect(Object.keys(refused).sort()).toEqual(expect.arrayContaining(["QUORUM_NOT_SATISFIED"]));
      expect(refused).not.toHaveProperty("none");
      expect(refused).not.toHaveProperty("OUTCOME_UNKNOWN");
      expect(stored).toEqual(before);
      for (const values of read) expect(values).toEqual(before);
      expect(problems).toEqual([]);
      expect(backMs).toBeDefined();
    },
    busyMachineMs,
  );
});

describe("a copy that was overtaken while its process heard nothing", () => {
  const combination = combinations[0] as Combination;

  it(
    "is not served where the key is strong",
    async () => {
      expect(await readOvertakenCopy(site, combination, "strong-distributed")).toEqual({
        ...{ anomalies: [], stale: 0, problems: [] },
      });
    },
    busyMachineMs,
  );

  it(
    "is served where it is eventual, and the checks notice",
    async () => {
      const { anomalies, stale, problems } = await readOvertakenCopy(site, combination, "eventual-distributed");
      expect(stale).toBe(1);
      expect(anomalies.join("\n")).toContain("not linearizable");
      expect(problems).toEqual([]);
    },
    busyMachineMs,
  );
});
