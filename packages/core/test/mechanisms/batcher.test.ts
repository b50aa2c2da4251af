import { expect, it } from "@jest/globals";
import { Batcher, cutInPieces } from "../../src/mechanisms/batcher.ts";

const lengths = (items: number, most = 10_000): readonly number[] => {
  const sent: number[][] = [];
  const all = Array.from({ length: items }, (_, item) => item);
  cutInPieces(all, most, { pieces: 3, leastItems: 32 }, (some) => sent.push([...some]));
  expect(sent.flat()).toEqual(all);
  return sent.map(({ length }) => length);
};

it("a crowd is cut into pieces of about the same size, none smaller than is worth a call", () => {
  expect([0, 1, 31, 32, 33, 63].map((items) => lengths(items))).toEqual([[0], [1], [31], [32], [33], [63]]);
  expect(lengths(64)).toEqual([32, 32]);
  expect(lengths(95)).toEqual([48, 47]);
  expect(lengths(96)).toEqual([32, 32, 32]);
  expect(lengths(100)).toEqual([34, 34, 32]);
  expect(lengths(1_000, 200)).toEqual([200, 200, 200, 200, 200]);
});

it("what cannot be answered is rejected: also where the other side throws at once, or answers with nothing", async () => {
  const failure = new Error("away");
  const throwing = new Batcher<number, number>(() => {
    throw failure;
  }, 10);
  await expect(Promise.all([throwing.add(1), throwing.add(2)])).rejects.toBe(failure);
  const silent = new Batcher<number, number>(async () => undefined as unknown as readonly number[], 10);
  await expect(silent.add(1)).rejects.toThrow(TypeError);
});
