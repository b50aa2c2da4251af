import { expect, it } from "@jest/globals";
import { Quorum } from "../src/mechanisms/quorum.ts";

const isSettled = async (promise: Promise<unknown>): Promise<boolean> => {
  const pending = Symbol("pending");
  return (await Promise.race([promise, Promise.resolve(pending)])) !== pending;
};

it("a quorum that was met, and then is not because nodes joined, is waited for again", async () => {
  const quorum = new Quorum({ replicas: 2, zones: 1 }, 1, "a", "");
  expect(await isSettled(quorum.satisfied)).toBe(false);
  quorum.acknowledge("b", 0, "");
  await quorum.satisfied;
  quorum.require({ replicas: 3, zones: 1 });
  expect(quorum.isSatisfied).toBe(false);
  expect(await isSettled(quorum.satisfied)).toBe(false);
  quorum.acknowledge("c", 0, "");
  await quorum.satisfied;
  expect(quorum.isSatisfied).toBe(true);
});

it("an announcement that fails ends the wait for a quorum, and does not matter once that is met", async () => {
  const quorum = new Quorum({ replicas: 2, zones: 1 }, 1, "a", "");
  const { satisfied } = quorum;
  quorum.fail(new Error("no bus"));
  await expect(satisfied).rejects.toThrow("no bus");
  const met = new Quorum({ replicas: 1, zones: 1 }, 1, "a", "");
  met.fail(new Error("no bus"));
  await met.satisfied;
});
