import { describe, expect, it } from "@jest/globals";
import { above, after, fromColumn, toColumn } from "../src/keys.ts";

const bytewise = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

const pieces = [
  "",
  "a",
  "\u0000",
  "\u0001",
  "\ufeff",
  "0",
  "1",
  "2",
  "\u0002",
  "é",
  "\u{1f600}",
  "\u{10ffff}",
  "\ud7ff",
];
const texts = pieces.flatMap((a) => pieces.flatMap((b) => pieces.map((c) => a + b + c)));

describe("keys in the table", () => {
  it("come back as they were, and never hold a NUL", () => {
    for (const text of texts) {
      expect(fromColumn(toColumn(text))).toBe(text);
      expect(toColumn(text)).not.toContain("\u0000");
    }
    expect(new Set(texts.map(toColumn)).size).toBe(new Set(texts).size);
  });

  it("are themselves where they hold none of the three escaped characters", () => {
    expect(toColumn("city:Köln 'x' %_\\")).toBe("city:Köln 'x' %_\\");
  });

  it("begin with a prefix where the key does, and lie below what is above the prefix", () => {
    for (const prefix of pieces.flatMap((a) => pieces.map((b) => a + b))) {
      const end = above(toColumn(prefix));
      const wrong = texts.filter((text) => {
        const column = toColumn(text);
        const within = bytewise(column, toColumn(prefix)) >= 0 && (end === undefined || bytewise(column, end) < 0);
        return within !== text.startsWith(prefix);
      });
      expect(wrong).toEqual([]);
    }
  });

  it("have nothing above a prefix of the last character alone", () => {
    expect(above("\u{10ffff}\u{10ffff}")).toBeUndefined();
    expect(above("a\u{10ffff}")).toBe("b");
    expect(above("\ud7ff")).toBe("\ue000");
  });

  it("have no key between one and what comes after it", () => {
    const above = texts.map(toColumn).filter((column) => bytewise(column, "a") > 0);
    expect(above.filter((column) => bytewise(column, after("a")) < 0)).toEqual([]);
  });
});
