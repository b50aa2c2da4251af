import { expect, it } from "@jest/globals";
import { systemRandom } from "../../src/values/random.ts";

it("ids are 22 characters of base64url, that is 16 bytes, and none comes twice", () => {
  const ids = Array.from({ length: 100_000 }, systemRandom.id);
  expect(ids.every((id) => /^[\w-]{22}$/.test(id))).toBe(true);
  expect(ids.slice(0, 1_000).every((id) => Buffer.from(id, "base64url").toString("base64url") === id)).toBe(true);
  expect(Buffer.from(ids[0] as string, "base64url")).toHaveLength(16);
  expect(new Set(ids).size).toBe(ids.length);
});

it("every bit of an id is a coin flip", () => {
  const count = 20_000;
  const ones = new Array<number>(128).fill(0);
  for (let n = 0; n < count; n++) {
    const bytes = Buffer.from(systemRandom.id(), "base64url");
    for (let bit = 0; bit < 128; bit++) ones[bit] = (ones[bit] ?? 0) + (((bytes[bit >> 3] as number) >> (bit & 7)) & 1);
  }
  // Seven standard deviations: a fair generator fails this once in some 10^9 runs.
  const slack = 7 * Math.sqrt(count / 4);
  expect(ones.filter((sum) => Math.abs(sum - count / 2) > slack)).toEqual([]);
});

it("chance lies in [0, 1)", () => {
  for (let n = 0; n < 10_000; n++) {
    const value = systemRandom.next();
    expect(value >= 0 && value < 1).toBe(true);
  }
});
