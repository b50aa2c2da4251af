import { expect, it } from "@jest/globals";
import { cutInPieces } from "../../src/mechanisms/batcher.ts";

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
