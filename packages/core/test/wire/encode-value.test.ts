import { isDeepStrictEqual } from "node:util";
import { runInNewContext, runInThisContext } from "node:vm";
import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { WarpError } from "../../src/errors.ts";
import type { Codec } from "../../src/ports/codec.ts";
import { decodeValue, encodeValue } from "../../src/wire/encode-value.ts";
import { jsonCodec } from "../../src/wire/json-codec.ts";

const errorOf = (run: () => unknown): WarpError => {
  try {
    run();
  } catch (error) {
    if (WarpError.is(error)) return error;
    throw error;
  }
  throw new Error("it was accepted");
};
const refusal = (value: unknown, codec: Codec = jsonCodec): string => {
  const error = errorOf(() => encodeValue(codec, value, "k"));
  expect([error.code, error.key, error.port]).toEqual(["INVALID_VALUE", "k", "codec"]);
  return error.message;
};
const accepted = (value: unknown): boolean => {
  try {
    encodeValue(jsonCodec, value, "k");
    return true;
  } catch {
    return false;
  }
};
const survivesJson = (value: unknown): boolean => {
  try {
    return isDeepStrictEqual(JSON.parse(JSON.stringify(value)), value);
  } catch {
    return false;
  }
};

class Money {
  readonly cents = 1;
}
class Names extends Array<string> {}

const cycle: Record<string, unknown> = { a: 1 };
cycle.self = { list: [cycle] };
const hidden = (field: string, value: unknown): object => Object.defineProperty({ a: 1 }, field, { value });
const deep = (levels: number): unknown => {
  let value: unknown = 1;
  for (let level = 0; level < levels; level += 1) value = level % 2 === 0 ? [value] : { inner: value };
  return value;
};
const shared = { a: 1 };

const odd: readonly unknown[] = [
  ...[Number.NaN, Number.POSITIVE_INFINITY, -0, 1n, undefined, () => 1, Symbol("s"), new Date(0), /x/],
  ...[new Map(), new Set(), new Money(), new Names(), new Error("e"), new Uint8Array(1), Buffer.from("x")],
  ...[Object.create(null), Object(1), Object("s"), new Array(2), [undefined], { a: undefined }, cycle],
  ...[Object.assign([1], { name: 1 }), { [Symbol("s")]: 1 }, { toJSON: () => 1 }, { toJSON: 1 }],
  ...[hidden("toJSON", () => 1), hidden("b", 2), hidden("b", undefined), [shared, shared], deep(200)],
  {
    get stable() {
      return 1;
    },
  },
  {
    get never() {
      throw new Error("never");
    },
  },
  Object.assign([1], { [Symbol("s")]: 1 }),
  Object.defineProperty({}, Symbol("s"), { value: 1 }),
  Object.defineProperty({}, Symbol.toStringTag, { value: "Odd" }),
  runInThisContext("(function () { return arguments; })()"),
  JSON.parse('{"__proto__":{"a":1}}'),
  "\uD800",
  { "\uD800": "\uDFFF" },
];

const anything = fc.letrec((tie) => ({
  leaf: fc.oneof(
    fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withTypedArray: true,
      withNullPrototype: true,
      withSparseArray: true,
      withBoxedValues: true,
      withUnicodeString: true,
      maxDepth: 2,
    }),
    fc.jsonValue(),
    fc.double(),
    fc.string({ unit: fc.integer({ min: 0xd7f0, max: 0xe010 }).map((code) => String.fromCharCode(code)) }),
    fc.constantFrom(...odd),
  ),
  node: fc.oneof(
    { depthSize: "small" },
    tie("leaf"),
    fc.array(tie("node"), { maxLength: 4 }),
    fc.dictionary(fc.string(), tie("node"), { maxKeys: 4 }),
  ),
})).node;

describe("the JSON codec", () => {
  it("is given a value if and only if JSON brings it back deep-equal", () => {
    for (const value of odd) expect([value, accepted(value)]).toEqual([value, survivesJson(value)]);
    fc.assert(
      fc.property(anything, (value) => accepted(value) === survivesJson(value)),
      { numRuns: 3_000 },
    );
  });

  it("brings back what it was given", () => {
    fc.assert(
      // Among them -0, which JSON.stringify writes as 0.
      fc.property(
        fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value))),
        (value) => {
          expect(decodeValue(jsonCodec, encodeValue(jsonCodec, value, "k"), "k")).toEqual(value);
        },
      ),
    );
  });

  it("names the place, what is there, and what is accepted", () => {
    expect(refusal({ items: [{ price: 1 }, { price: Number.NaN }] })).toBe(
      "value.items[1].price is NaN, which would not come back as it is; accepted: " +
        "null, booleans, finite numbers but -0, strings, arrays and plain objects of these",
    );
    expect(refusal(new Map())).toContain("value is an instance of Map,");
    expect(refusal({ at: new Date(0) })).toContain("value.at is an instance of Date,");
    expect(refusal([new Money()])).toContain("value[0] is an instance of Money,");
    expect(refusal({ "a b": 1n })).toContain('value["a b"] is a bigint,');
    expect(refusal({ a: undefined })).toContain("value.a is undefined,");
    expect(refusal(Object.assign(new Array(2), { 1: 1 }))).toContain("value[0] is a hole in an array,");
    expect(refusal({ f: () => 1 })).toContain("value.f is a function,");
    expect(refusal(-0)).toContain("value is -0,");
    expect(refusal(undefined)).toContain("value is undefined,");
    expect(refusal(cycle)).toContain("is a reference back to a value that contains it,");
    expect(refusal(new Names("a"))).toContain("value is an instance of Names,");
    expect(refusal(hidden("toJSON", () => 1))).toContain("value is an object with a toJSON function,");
  });

  it("takes plain objects and arrays of another realm, as a test runner or a vm makes them", () => {
    expect(accepted(runInNewContext("({ a: [1, { b: null }] })"))).toBe(true);
    expect(accepted(runInNewContext("new (class Money {})()"))).toBe(false);
    expect(accepted(runInNewContext("new (class Names extends Array {})()"))).toBe(false);
  });

  it("refuses what is nested too deeply for the stack instead of failing otherwise", () => {
    const error = errorOf(() => encodeValue(jsonCodec, deep(200_000), "k"));
    expect(error.code).toBe("INVALID_VALUE");
    expect(error.cause).toBeDefined();
  });

  it("reports bytes that are no JSON, or no UTF-8, as CORRUPT with the cause", () => {
    for (const bytes of [Buffer.from("{"), Uint8Array.of(0x22, 0xff, 0x22), new Uint8Array()]) {
      const error = errorOf(() => decodeValue(jsonCodec, bytes, "k"));
      expect([error.code, error.key, error.port]).toEqual(["CORRUPT", "k", "codec"]);
      expect(error.cause).toBeDefined();
    }
  });
});

describe("another codec", () => {
  const big: Codec = {
    name: "big",
    encode: (value) => Buffer.from(JSON.stringify(value, (_, v) => (typeof v === "bigint" ? { big: String(v) } : v))),
    decode: (bytes) =>
      JSON.parse(Buffer.from(bytes).toString(), (_, v) => (v !== null && Object.hasOwn(v, "big") ? BigInt(v.big) : v)),
  };

  it("is given whatever it brings back deep-equal", () => {
    const value = { at: [1n, 2, null] };
    expect(decodeValue(big, encodeValue(big, value, "k"), "k")).toEqual(value);
  });

  it("is not given what it changes: the place is named", () => {
    const json: Codec = { name: "plain", encode: jsonCodec.encode, decode: jsonCodec.decode };
    expect(refusal({ list: [1, { at: new Date(0) }] }, json)).toContain("value.list[1].at is of kind Date,");
    expect(refusal({ a: undefined, b: 1n }, json)).toContain("the codec plain failed on the value,");
    expect(refusal({ a: undefined }, json)).toContain("value.a is of kind undefined,");
    expect(refusal(undefined, json)).toContain("value is undefined,");
  });

  it("must make bytes, and must not read undefined", () => {
    const texts: Codec = { name: "texts", encode: () => "text" as never, decode: () => undefined };
    expect(refusal(1, texts)).toContain("the codec texts failed");
    expect(errorOf(() => decodeValue(texts, new Uint8Array(), "k")).code).toBe("CORRUPT");
  });
});
