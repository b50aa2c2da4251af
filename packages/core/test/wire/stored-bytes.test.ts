import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { WarpError } from "../../src/errors.ts";
import { decodeSharedEntry, encodeSharedEntry } from "../../src/wire/shared-entry.ts";
import { decodeStored, encodeStored } from "../../src/wire/stored-value.ts";
import { damage, sharedEntry } from "./arbitraries.ts";

const problemOf = (run: () => unknown): unknown => {
  try {
    run();
  } catch (error) {
    return WarpError.is(error) ? error.code : error;
  }
  return "none";
};

describe("an entry of the shared tier", () => {
  it("comes back as it was put", () => {
    fc.assert(
      fc.property(sharedEntry, (entry) => {
        expect(decodeSharedEntry(encodeSharedEntry(entry))).toEqual(entry);
      }),
      { numRuns: 500 },
    );
  });

  it("is CORRUPT or read when damaged, and CORRUPT when foreign: nothing else is ever thrown", () => {
    fc.assert(
      fc.property(
        sharedEntry.chain((entry) => damage(encodeSharedEntry(entry))),
        (bytes) => ["none", "CORRUPT"].includes(problemOf(() => decodeSharedEntry(bytes)) as string),
      ),
      { numRuns: 2_000 },
    );
    fc.assert(fc.property(fc.uint8Array(), (bytes) => problemOf(() => decodeSharedEntry(bytes)) === "CORRUPT"));
    for (const foreign of ["", "w", '{"value":1}', "\u0000"])
      expect(problemOf(() => decodeSharedEntry(Buffer.from(foreign)))).toBe("CORRUPT");
  });

  it("of a later version is CORRUPT and says so", () => {
    const bytes = encodeSharedEntry({
      value: undefined,
      revision: undefined,
      epoch: undefined,
      graceMs: 0,
      ttlMs: 1,
    });
    const later = bytes.slice();
    later[1] = 2;
    expect(() => decodeSharedEntry(later)).toThrow("format version 2");
    const flagged = bytes.slice();
    flagged[2] = 64;
    expect(() => decodeSharedEntry(flagged)).toThrow("flags 64");
    expect(() => decodeSharedEntry(Uint8Array.of(...bytes, 1))).toThrow("followed by bytes");
  });

  it("with a negative time is CORRUPT", () => {
    const entry = { value: undefined, revision: undefined, epoch: undefined, graceMs: -1, ttlMs: 1 };
    expect(() => decodeSharedEntry(encodeSharedEntry(entry))).toThrow("negative");
  });
});

describe("the bytes of a store", () => {
  it("begin with a version and hold the codec's bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const stored = encodeStored(bytes);
        expect(stored[0]).toBe(1);
        expect(decodeStored(stored)).toEqual(bytes);
      }),
    );
  });

  it("are CORRUPT if there are none, or of an unknown version", () => {
    expect(() => decodeStored(new Uint8Array(), "k")).toThrow("no bytes at all");
    expect(() => decodeStored(Uint8Array.of(2, 1), "k")).toThrow("format version 2");
    expect(problemOf(() => decodeStored(Uint8Array.of(123)))).toBe("CORRUPT");
  });
});
