import { describe, expect, it } from "@jest/globals";
import type { Registration } from "../../src/mechanisms/registration.ts";
import { VersionLog } from "../../src/mechanisms/version-log.ts";

const registration = {
  policy: { history: { versions: 2, maxAgeMs: undefined } },
  raisedAfter: () => Number.POSITIVE_INFINITY,
} as unknown as Registration;

describe("VersionLog", () => {
  it("knows the past of the nine thousand keys that were written last, and of ten thousand at most", () => {
    const log = new VersionLog();
    const knows = (n: number): boolean => {
      try {
        return log.valueAt(`k${n}`, 1, 1) === n;
      } catch {
        return false;
      }
    };
    for (let n = 0; n < 25_000; n++) log.add(`k${n}`, n, registration, 0, 1);
    const known = Array.from({ length: 25_000 }, (_, n) => n).filter(knows);
    expect(known.slice(-9_000)).toEqual(Array.from({ length: 9_000 }, (_, n) => 16_000 + n));
    expect(known.length).toBeLessThanOrEqual(10_000);
  });
});
