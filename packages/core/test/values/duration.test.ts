import { expect, it } from "@jest/globals";
import fc from "fast-check";
import { WarpError } from "../../src/errors.ts";
import { durationMs } from "../../src/values/duration.ts";
import { describeValue } from "../../src/values/invalid.ts";

const units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

it("a whole number of any unit is that many of its milliseconds", () => {
  fc.assert(
    fc.property(fc.nat(100_000_000), fc.constantFrom("ms", "s", "m", "h", "d"), (count, unit) =>
      expect(durationMs("ttl", `${count}${unit}`)).toBe(count * units[unit as keyof typeof units]),
    ),
  );
});

it("fractions and bare numbers are accepted", () => {
  expect(durationMs("ttl", "1.5s")).toBe(1_500);
  expect(durationMs("ttl", "0.25h")).toBe(900_000);
  expect(durationMs("ttl", 250)).toBe(250);
  expect(durationMs("ttl", 0)).toBe(0);
  expect(durationMs("ttl", Number.MAX_SAFE_INTEGER)).toBe(Number.MAX_SAFE_INTEGER);
});

const bad = [NaN, -1, Infinity, -Infinity, "", "5", "5 m", "-5m", "+5m", "1e3ms", "5M", "5m ", ".5s", "5.s", "5min"];
it.each([...bad, "Infinity", `${"9".repeat(400)}d`, null, undefined, 5n, {}, [5], true])(
  "%p is no duration",
  (value) => {
    let error: unknown;
    try {
      durationMs("softTimeout", value);
    } catch (thrown) {
      error = thrown;
    }
    expect(WarpError.has(error, "INVALID_ARGUMENT")).toBe(true);
    expect((error as WarpError).message).toMatch(/^softTimeout must be milliseconds or a string like .*; got /);
  },
);

it("Infinity is a duration only where it is allowed, and never as text", () => {
  expect(durationMs("ttl", Infinity, { infinite: true })).toBe(Infinity);
  for (const value of [NaN, -Infinity, "Infinity", "Infinityms", `${"9".repeat(400)}d`])
    expect(() => durationMs("ttl", value, { infinite: true })).toThrow(/, or Infinity; got/);
});

it("a bound below which nothing is meant holds for numbers and text", () => {
  expect(durationMs("ttl", 1, { leastMs: 1 })).toBe(1);
  for (const value of [0, 0.5, "0ms", "0.9ms"])
    expect(() => durationMs("ttl", value, { leastMs: 1 })).toThrow(/at least 1 ms/);
});

it("a description names the kind of anything, and quotes only what is short", () => {
  class City {}
  const described: [unknown, string][] = [
    [null, "null"],
    [undefined, "undefined"],
    ["x", '"x"'],
    ["x".repeat(41), "a string of 41 characters"],
    [1n, "bigint 1"],
    [NaN, "number NaN"],
    [[1], "an array"],
    [new City(), "an object (City)"],
    [Object.create(null), "an object (no prototype)"],
    [{ constructor: undefined }, "an object (no prototype)"],
    [{ constructor: 5 }, "an object (no prototype)"],
    [() => 1, "function"],
    [Symbol("s"), "symbol"],
  ];
  for (const [value, text] of described) expect(describeValue(value)).toBe(text);
});
