import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { ObjectNames } from "../src/object-names.ts";

const names = new ObjectNames("warp/");
const bytesOf = (text: string): number => Buffer.byteLength(text);

/** Legal keys: not empty, well-formed, at most 1 024 bytes of UTF-8; the odd signs more often than by chance. */
const key = fc
  .array(
    fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom("/", "//", "..", "../", ".", "!", "!-", "%2F", "\u0000", "\n", "é", "e\u0301", "\u{1f600}"),
      fc.string({ minLength: 200, maxLength: 600 }),
    ),
    { maxLength: 8 },
  )
  .map((parts) => parts.join(""))
  .filter((text) => text !== "" && text.isWellFormed() && bytesOf(text) <= 1_024);

const named = (text: string): string => names.record(text);

describe("the name of a record's object", () => {
  it("tells its key, or that it was cut", () => {
    fc.assert(
      fc.property(key, (text) => {
        expect(names.keyOf(named(text))).toEqual(names.isCut(text) ? "cut" : { key: text });
      }),
    );
  });

  it("is one that S3 takes, of signs that nobody rewrites", () => {
    fc.assert(
      fc.property(key, (text) => {
        expect(named(text)).toMatch(/^warp\/r\/[A-Za-z0-9_.!-]+$/);
        expect(named(text).length).toBeLessThanOrEqual(1_024);
      }),
    );
  });

  it("begins as the names of all keys with a prefix of it do, wherever the prefix ends", () => {
    fc.assert(
      fc.property(key, fc.nat(), (text, seed) => {
        const prefix = text.slice(0, seed % (text.length + 1));
        expect(named(text).startsWith(names.recordsFrom(prefix))).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it("is no other key's", () => {
    fc.assert(
      fc.property(key, key, (one, other) => {
        fc.pre(one !== other);
        expect(named(one)).not.toBe(named(other));
      }),
    );
  });

  it("differs also where only what was cut off differs", () => {
    const [one, other] = ["a", "b"].map((end) => "/".repeat(1_023) + end) as [string, string];
    expect(names.isCut(one)).toBe(true);
    expect(named(one)).not.toBe(named(other));
    expect(named(one).slice(0, 900)).toBe(named(other).slice(0, 900));
  });

  it("stays what it was in every version", () => {
    expect(named("user:1")).toBe("warp/r/user!3A1");
    expect(named("../a b/é")).toBe("warp/r/..!2Fa!20b!2F!C3!A9");
    expect(named("\u0000")).toBe("warp/r/!00");
    expect(named(":".repeat(400))).toBe(`warp/r/${"!3A".repeat(324)}!-L7cThalt9gqGoJZthkBQ5K_KJv0ahktcM2PqzaFDotc`);
    expect(names.versions("user:1")).toBe("warp/h/q8Oke4rRi4VcaH2cosYJHucxLbVWMCGUKletqInIezQ/");
  });

  it("of objects that are none of ours tells no key", () => {
    for (const name of ["warp/r/", "warp/r/a b", "warp/r/!zz", "warp/r/!2", "warp/r/!2f", "warp/r/!FF", "other/r/a"])
      expect(names.keyOf(name)).toBeUndefined();
  });
});

describe("a prefix", () => {
  it.each(["", "a/", "a/b.c/d_-/"])("is folders: %j", (prefix) => {
    expect(new ObjectNames(prefix).record("k")).toBe(`${prefix}r/k`);
  });

  it.each(["a", "/", "/a/", "a//", "../", ".hidden/", "ä/", "a b/", `${"a".repeat(200)}/`])("is not %j", (prefix) => {
    expect(() => new ObjectNames(prefix)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });
});
