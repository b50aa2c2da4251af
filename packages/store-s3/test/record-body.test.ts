import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { decodeBody, decodeHead, encodeBody, headBytes, type RecordBody, sizeKinds } from "../src/record-body.ts";
import type { RecordHeader, Version } from "../src/version.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

const headerOf = (fields: Partial<RecordHeader> = {}): RecordHeader => {
  const operations = fields.operations ?? ["op2", "op1"];
  return {
    isTombstone: false,
    revision: operations[0] ?? "",
    timestamp: { micros: 1_782_000_000_000_001, node: "Ünit 7" },
    committedAt: 1_782_000_000_000,
    operations,
    expiresAt: undefined,
    createdAt: 1_781_000_000_000,
    kept: 0,
    lastKept: undefined,
    retention: undefined,
    ...fields,
  };
};

const value = (text: string, fields?: Partial<RecordHeader>): Version => ({
  header: headerOf(fields),
  value: bytes(text),
});
const tombstone: Version = { header: headerOf({ isTombstone: true }), value: bytes("") };
const body = (version: Version | undefined, intent?: RecordBody["intent"]): RecordBody => ({ version, intent });

const rich = value("now", {
  expiresAt: 1_782_000_060_000.75,
  kept: 3,
  lastKept: { committedAt: 1_781_500_000_000, micros: 1_781_500_000_000_000, ordinal: 2, until: 1_782_000_000_000 },
  retention: { versions: 10, maxAgeMs: undefined },
});

/** Written by version 1 of the format. Whatever comes later must read them as this. */
const golden: readonly (readonly [string, string, RecordBody])[] = [
  [
    "a value",
    "AQAAAJF7InJlY29yZCI6eyJzaXplIjo1LCJvcGVyYXRpb25zIjpbIm9wMiIsIm9wMSJdLCJtaWNyb3MiOjE3ODIwMDAwMDAwMDAwMDEsIm5vZGUiOiLDnG5pdCA3IiwiY29tbWl0dGVkQXQiOjE3ODIwMDAwMDAwMDAsImNyZWF0ZWRBdCI6MTc4MTAwMDAwMDAwMH19aGVsbG8A",
    body(value("hello")),
  ],
  [
    "a value with everything a record can say",
    "AQAAAUh7ImtleSI6InRoZSBrZXkiLCJyZWNvcmQiOnsic2l6ZSI6Mywib3BlcmF0aW9ucyI6WyJvcDIiLCJvcDEiXSwibWljcm9zIjoxNzgyMDAwMDAwMDAwMDAxLCJub2RlIjoiw5xuaXQgNyIsImNvbW1pdHRlZEF0IjoxNzgyMDAwMDAwMDAwLCJjcmVhdGVkQXQiOjE3ODEwMDAwMDAwMDAsImV4cGlyZXNBdCI6MTc4MjAwMDA2MDAwMC43NSwia2VwdCI6MywibGFzdEtlcHQiOnsiY29tbWl0dGVkQXQiOjE3ODE1MDAwMDAwMDAsIm1pY3JvcyI6MTc4MTUwMDAwMDAwMDAwMCwib3JkaW5hbCI6MiwidW50aWwiOjE3ODIwMDAwMDAwMDB9LCJyZXRlbnRpb24iOnsidmVyc2lvbnMiOjEwfX19bm93AAA=",
    body(rich),
  ],
  [
    "a tombstone",
    "AQAAAIh7InJlY29yZCI6eyJvcGVyYXRpb25zIjpbIm9wMiIsIm9wMSJdLCJtaWNyb3MiOjE3ODIwMDAwMDAwMDAwMDEsIm5vZGUiOiLDnG5pdCA3IiwiY29tbWl0dGVkQXQiOjE3ODIwMDAwMDAwMDAsImNyZWF0ZWRBdCI6MTc4MTAwMDAwMDAwMH19",
    body(tombstone),
  ],
  ["no record", "AQAAAAJ7fQAA", body(undefined)],
  [
    "an intent to write",
    "AQAAAeR7InJlY29yZCI6eyJzaXplIjozLCJvcGVyYXRpb25zIjpbIm9wMiIsIm9wMSJdLCJtaWNyb3MiOjE3ODIwMDAwMDAwMDAwMDEsIm5vZGUiOiLDnG5pdCA3IiwiY29tbWl0dGVkQXQiOjE3ODIwMDAwMDAwMDAsImNyZWF0ZWRBdCI6MTc4MTAwMDAwMDAwMCwiZXhwaXJlc0F0IjoxNzgyMDAwMDYwMDAwLjc1LCJrZXB0IjozLCJsYXN0S2VwdCI6eyJjb21taXR0ZWRBdCI6MTc4MTUwMDAwMDAwMCwibWljcm9zIjoxNzgxNTAwMDAwMDAwMDAwLCJvcmRpbmFsIjoyLCJ1bnRpbCI6MTc4MjAwMDAwMDAwMH0sInJldGVudGlvbiI6eyJ2ZXJzaW9ucyI6MTB9fSwiaW50ZW50Ijp7InRyYW5zYWN0aW9uIjoidHgiLCJuZXh0Ijp7InNpemUiOjQsIm9wZXJhdGlvbnMiOlsib3AyIiwib3AxIl0sIm1pY3JvcyI6MTc4MjAwMDAwMDAwMDAwMSwibm9kZSI6IsOcbml0IDciLCJjb21taXR0ZWRBdCI6MTc4MjAwMDAwMDAwMCwiY3JlYXRlZEF0IjoxNzgxMDAwMDAwMDAwfX19bm93dGhlbgAA",
    body(rich, { transaction: "tx", next: value("then") }),
  ],
  [
    "an intent that only reads",
    "AQAAAB97ImludGVudCI6eyJ0cmFuc2FjdGlvbiI6InR4In19AAA=",
    body(undefined, { transaction: "tx", next: undefined }),
  ],
];

describe("the body of a record's object", () => {
  it.each(golden)("of every version stays readable: %s", (_what, written, expected) => {
    expect(decodeBody(Buffer.from(written, "base64"), "the key")).toEqual(expected);
  });

  it("comes back as it was, whatever the value and the fields", () => {
    const text = fc.string({ unit: "binary" });
    const header = fc.record({
      node: text,
      operations: fc.array(text, { minLength: 1, maxLength: 16 }),
      expiresAt: fc.option(fc.double({ min: 0, max: 1e15, noNaN: true }), { nil: undefined }),
    });
    fc.assert(
      fc.property(header, fc.uint8Array({ maxLength: 50 }), fc.boolean(), (fields, bytes, cut) => {
        const { node, ...rest } = fields;
        const version = { header: headerOf({ ...rest, timestamp: { micros: 7, node } }), value: bytes };
        const key = "k".repeat(1_000);
        expect(decodeBody(encodeBody(body(version), cut ? key : undefined), key)).toEqual(body(version));
      }),
    );
  });

  it("tells by its size what a listing must know", () => {
    const intent = { transaction: "t", next: tombstone };
    const sizes: readonly (readonly [string, RecordBody, string | undefined])[] = [
      ["live", body(value("x")), undefined],
      ["read", body(value("x")), "the key"],
      ["read", body(rich), undefined],
      ["nothing", body(tombstone), undefined],
      ["nothing", body(tombstone), "the key"],
      ["nothing", body(undefined), undefined],
      ["read", body(tombstone, intent), undefined],
      ["read", body(undefined, intent), undefined],
    ];
    for (let length = 0; length < 8; length += 1)
      for (const [kind, one, key] of sizes) {
        const version = one.version && { ...one.version, value: new Uint8Array(one === sizes[3]?.[1] ? 0 : length) };
        expect(sizeKinds[encodeBody({ ...one, version }, key).length & 3]).toBe(kind);
      }
  });

  it("begins with what a listing needs of it, also under the longest key", () => {
    const key = "\u0000".repeat(1_024);
    const operations = Array.from({ length: 16 }, () => "o".repeat(22));
    const written = encodeBody(body(value("x".repeat(9_999), { ...rich.header, operations })), key);
    expect(decodeHead(written.subarray(0, headBytes))).toMatchObject({ key, transaction: undefined });
    expect(decodeHead(written.subarray(0, 5_000))).toBeUndefined();
  });

  const whole = encodeBody(body(rich), undefined);
  const withJson = (json: string): Uint8Array => {
    const written = new Uint8Array(5 + json.length);
    written[0] = 1;
    new DataView(written.buffer).setUint32(1, json.length);
    written.set(bytes(json), 5);
    return written;
  };

  it.each([
    ["no bytes at all", new Uint8Array(0)],
    ["of a version to come", Uint8Array.of(2, ...whole.subarray(1))],
    ["cut short in its header", whole.subarray(0, 40)],
    ["cut short in its value", whole.subarray(0, whole.length - 4)],
    ["too long", Uint8Array.of(...whole, 0, 0, 0, 0)],
    ["without JSON", withJson("nonsense")],
    ["without a record's fields", withJson('{"record":{}}')],
    [
      "without a revision",
      withJson('{"record":{"operations":[],"node":"n","micros":1,"committedAt":1,"createdAt":1}}'),
    ],
    ["of a text where a number is due", withJson('{"record":{"operations":["o"],"node":"n","micros":"1"}}')],
    ["of another key", encodeBody(body(rich), "other")],
    ["somebody else's file", bytes("\u0001not ours at all, but long enough")],
  ])("that is %s is CORRUPT, naming the key", (_what, odd) => {
    expect(() => decodeBody(odd, "k")).toThrow(expect.objectContaining({ code: "CORRUPT", key: "k" }));
  });
});
