import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { WarpError } from "../../src/errors.ts";
import {
  comparePatterns,
  isExact,
  literalPrefix,
  longestKeyBytes,
  matches,
  requireKey,
  requirePattern,
  reservedPrefix,
} from "../../src/values/pattern.ts";

// Few characters, so that patterns and keys meet; some that a regular expression would take for its own.
const character = fc.constantFrom("a", "b", ".", "\n", "ü", "😀");
const key = fc.array(character, { minLength: 1, maxLength: 8 }).map((parts) => parts.join(""));
const pattern = fc.array(fc.oneof({ weight: 2, arbitrary: character }, { weight: 1, arbitrary: fc.constant("*") }), {
  minLength: 1,
  maxLength: 8,
});
const text = pattern.map((parts) => parts.join(""));
const escaped = (part: string): string => part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
const oracle = (from: string): RegExp => new RegExp(`^${from.split("*").map(escaped).join(".*")}$`, "su");

describe("matching", () => {
  it("agrees with the regular expression in which a star is any run of characters", () => {
    fc.assert(
      fc.property(text, key, (pattern, key) => expect(matches(pattern, key)).toBe(oracle(pattern).test(key))),
      { numRuns: 2_000 },
    );
  });

  it("a pattern matches every key made from it by replacing its stars", () => {
    fc.assert(
      fc.property(pattern, fc.array(key, { minLength: 8, maxLength: 8 }), (parts, runs) => {
        const filled = parts.map((part, index) => (part === "*" ? (runs[index] as string) : part)).join("");
        expect(matches(parts.join(""), filled)).toBe(true);
      }),
    );
  });

  it("the ends of a pattern do not share characters of the key", () => {
    expect(matches("aba*aba", "aba")).toBe(false);
    expect(matches("aba*aba", "ababa")).toBe(false);
    expect(matches("aba*aba", "abaaba")).toBe(true);
    expect(matches("a*b*b", "ab")).toBe(false);
    expect(matches("*", "anything")).toBe(true);
    expect(matches("**", "x")).toBe(true);
  });

  it("many stars on a long key are no trap: backtracking over each of them would not end", () => {
    expect(matches(`${"a*".repeat(400)}b`, "a".repeat(1_024))).toBe(false);
    expect(matches(`${"*a".repeat(400)}*b*`, "a".repeat(1_024))).toBe(false);
    expect(matches(`${"*a".repeat(400)}*`, "a".repeat(400))).toBe(true);
  });

  it("every key that matches begins with the literal prefix", () => {
    fc.assert(
      fc.property(text, key, (pattern, key) => {
        if (matches(pattern, key)) expect(key.startsWith(literalPrefix(pattern))).toBe(true);
      }),
    );
  });
});

describe("precedence", () => {
  it("is a total order", () => {
    fc.assert(
      fc.property(text, text, text, (a, b, c) => {
        expect(comparePatterns(a, a)).toBe(0);
        expect(Math.sign(comparePatterns(a, b))).toBe(-Math.sign(comparePatterns(b, a)) + 0);
        expect(comparePatterns(a, b) === 0).toBe(a === b);
        if (comparePatterns(a, b) < 0 && comparePatterns(b, c) < 0) expect(comparePatterns(a, c)).toBeLessThan(0);
      }),
      { numRuns: 1_000 },
    );
  });

  it("an exact pattern comes first, then the longer literal prefix", () => {
    const ordered = ["user:1", "user:admin:*", "user:*:mail", "user:*", "*:a-long-suffix", "*"];
    expect(ordered.toReversed().sort(comparePatterns)).toEqual(ordered);
    expect(ordered.filter(isExact)).toEqual(["user:1"]);
  });
});

describe("what keys and patterns may be", () => {
  const bad: [string, unknown][] = [
    ["nothing", undefined],
    ["a number", 7],
    ["the empty string", ""],
    ["a lone surrogate", "a\ud800"],
    ["Warp's own prefix", `${reservedPrefix}lease:1`],
    ["1 025 bytes", "x".repeat(1_025)],
    ["1 026 bytes in 342 characters", "€".repeat(342)],
  ];
  it.each(bad)("%s is neither a key nor a pattern", (_what, value) => {
    for (const require of [requireKey, requirePattern]) {
      let error: unknown;
      try {
        require(value);
      } catch (thrown) {
        error = thrown;
      }
      expect(WarpError.has(error, "INVALID_ARGUMENT")).toBe(true);
    }
  });

  it("a star makes a pattern, never a key", () => {
    expect(() => requirePattern("user:*")).not.toThrow();
    expect(() => requireKey("user:*")).toThrow(/without "\*"/);
  });

  it("keys of up to 1 024 bytes are legal, whatever the width of their characters", () => {
    for (const fill of ["x", "é", "😀"])
      expect(() => requireKey(fill.repeat(longestKeyBytes / Buffer.byteLength(fill)))).not.toThrow();
    expect(() => requireKey(`${"€".repeat(341)}x`)).not.toThrow();
    fc.assert(
      fc.property(fc.string({ unit: "binary", minLength: 1, maxLength: 1_200 }), (value) => {
        const legal =
          Buffer.byteLength(value) <= longestKeyBytes && !value.includes("*") && !value.startsWith(reservedPrefix);
        if (legal) expect(() => requireKey(value)).not.toThrow();
        else expect(() => requireKey(value)).toThrow();
      }),
    );
  });
});
