import { expect, it } from "@jest/globals";
import fc from "fast-check";
import { compareTimestamps, nextTimestamp } from "../../src/values/timestamp.ts";

const node = fc.constantFrom("", "a", "b", "B", "node-1");
const timestamp = fc.record({ micros: fc.oneof(fc.nat(3), fc.maxSafeNat()), node });
const nowMs = fc.oneof(fc.nat(3), fc.double({ min: 0, max: 8.64e12, noNaN: true }));

it("timestamps are totally ordered: any two of them, without circles, and equal only to themselves", () => {
  fc.assert(
    fc.property(timestamp, timestamp, timestamp, (a, b, c) => {
      const [ab, ba, bc, ac] = [
        compareTimestamps(a, b),
        compareTimestamps(b, a),
        compareTimestamps(b, c),
        compareTimestamps(a, c),
      ];
      expect(Math.sign(ab) + Math.sign(ba)).toBe(0);
      expect(ab === 0).toBe(a.micros === b.micros && a.node === b.node);
      if (ab <= 0 && bc <= 0) expect(ac).toBeLessThanOrEqual(0);
      if (ab < 0 && bc <= 0) expect(ac).toBeLessThan(0);
    }),
    { numRuns: 2_000 },
  );
});

it("the order is the same in every locale: by code units", () => {
  const at = (name: string) => ({ micros: 1, node: name });
  expect(["b", "ä", "B", "a", ""].map(at).sort(compareTimestamps)).toEqual(["", "B", "a", "b", "ä"].map(at));
});

it("the next timestamp is later than the last, whatever the clock says, and never before the clock", () => {
  const earlier = fc.record({ micros: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER - 1 }), node });
  fc.assert(
    fc.property(nowMs, node, earlier, (now, node, after) => {
      const next = nextTimestamp(now, node, after);
      expect(compareTimestamps(next, after)).toBeGreaterThan(0);
      expect(next.micros).toBeGreaterThanOrEqual(Math.floor(now * 1_000));
      expect(Number.isSafeInteger(next.micros)).toBe(true);
      expect(next.node).toBe(node);
    }),
  );
});

it("many timestamps within one millisecond stay in order and run ahead of the clock by a microsecond each", () => {
  let last = nextTimestamp(1_000, "n");
  for (let count = 0; count < 1_000; count++) last = nextTimestamp(1_000, "n", last);
  expect(last).toEqual({ micros: 1_001_000, node: "n" });
  expect(nextTimestamp(1_002, "n", last)).toEqual({ micros: 1_002_000, node: "n" });
});
