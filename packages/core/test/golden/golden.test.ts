import { readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import { decodeFrame, encodeFrame, type Frame } from "../../src/wire/frame.ts";
import { decodeSharedEntry, encodeSharedEntry } from "../../src/wire/shared-entry.ts";
import { decodeStored, encodeStored } from "../../src/wire/stored-value.ts";

/** Bytes that a released version wrote. Entries are added with every new format version, and never changed or removed. */
interface Golden {
  readonly frames: readonly { name: string; version: number; secret: string | null; hex: string; frame: unknown }[];
  readonly sharedEntries: readonly { name: string; version: number; hex: string; entry: unknown }[];
  readonly storedValues: readonly { name: string; version: number; hex: string; value: string }[];
}

// JSON knows neither undefined, Infinity nor bytes: null, {"double": "Infinity"} and {"bytes": hex} stand for them.
const revive = (_: string, value: unknown): unknown => {
  if (typeof value !== "object" || value === null) return value;
  if ("double" in value) return Number(value.double);
  return "bytes" in value ? Uint8Array.from(Buffer.from(String(value.bytes), "hex")) : value;
};
const undefinedForNull = (value: unknown): unknown => {
  if (value === null) return undefined;
  if (Array.isArray(value)) return value.map(undefinedForNull);
  if (typeof value !== "object" || value instanceof Uint8Array) return value;
  return Object.fromEntries(Object.entries(value as object).map(([name, field]) => [name, undefinedForNull(field)]));
};

const golden = JSON.parse(readFileSync(new URL("./wire.json", import.meta.url), "utf8"), revive) as Golden;
const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const newest = (entries: readonly { version: number }[]): number => Math.max(...entries.map(({ version }) => version));

describe("bytes of every released version stay readable", () => {
  for (const { name, version, secret, hex, frame } of golden.frames) {
    it(`frame, version ${version}: ${name}`, () => {
      const signing = secret === null ? undefined : bytesOf(secret);
      const expected = undefinedForNull(frame) as Frame;
      expect(decodeFrame(bytesOf(hex), signing)).toEqual({ frame: expected });
      if (version === newest(golden.frames)) expect(hexOf(encodeFrame(expected, signing))).toBe(hex);
    });
  }
  for (const { name, version, hex, entry } of golden.sharedEntries) {
    it(`shared entry, version ${version}: ${name}`, () => {
      const expected = undefinedForNull(entry) as ReturnType<typeof decodeSharedEntry>;
      expect(decodeSharedEntry(bytesOf(hex))).toEqual(expected);
      if (version === newest(golden.sharedEntries)) expect(hexOf(encodeSharedEntry(expected))).toBe(hex);
    });
  }
  for (const { name, version, hex, value } of golden.storedValues) {
    it(`stored value, version ${version}: ${name}`, () => {
      expect(hexOf(decodeStored(bytesOf(hex)))).toBe(value);
      if (version === newest(golden.storedValues)) expect(hexOf(encodeStored(bytesOf(value)))).toBe(hex);
    });
  }
});

it("every kind of frame body has golden bytes", () => {
  const kinds = golden.frames.flatMap(({ frame }) => (frame as Frame).bodies.map(({ kind }) => kind));
  expect([...new Set(kinds)].sort()).toEqual([
    ...["abort", "acknowledge", "attach", "commit", "drop", "drop-all"],
    ...["goodbye", "heartbeat", "lease", "prepare"],
  ]);
});
