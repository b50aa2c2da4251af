import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { longestVarintBytes, Reader, varintBytes, Writer } from "../../src/wire/bytes.ts";
import { decodeFrame, encodeFrame, type Frame, frameOverheadBytes } from "../../src/wire/frame.ts";
import { bodyBytes, dropKeyBytes } from "../../src/wire/frame-body.ts";
import { damage, frame, secret, text, whole } from "./arbitraries.ts";

const sample: Frame = {
  cluster: "shop",
  sender: "node-a",
  incarnation: "i1",
  number: 7,
  to: undefined,
  sentAt: 1_700_000_000_000,
  bodies: [{ kind: "drop", keys: ["user:1", "user:2"], sharedDropped: true }],
};
const key = new TextEncoder().encode("a shared secret");

describe("a frame", () => {
  it("comes back as it was sent, signed or not", () => {
    fc.assert(
      fc.property(frame, fc.option(secret, { nil: undefined }), (sent, signing) => {
        expect(decodeFrame(encodeFrame(sent, signing), signing)).toEqual({ frame: sent });
      }),
      { numRuns: 500 },
    );
  });

  it("comes back the same whatever frame it is thought to be like", () => {
    fc.assert(
      fc.property(frame, frame, (sent, other) => {
        const bytes = encodeFrame(sent);
        for (const likely of [other, sent, { ...other, sender: sent.sender }])
          expect(decodeFrame(bytes, undefined, likely)).toEqual({ frame: sent });
      }),
      { numRuns: 300 },
    );
  });

  it("is never larger than the estimate it was filled by", () => {
    fc.assert(
      fc.property(frame, fc.array(text), fc.boolean(), (sent, keys, signed) => {
        const others = sent.bodies.filter((body) => body.kind !== "drop");
        const filled: Frame = { ...sent, bodies: [{ kind: "drop", keys, sharedDropped: false }, ...others] };
        const estimate = [...keys.map(dropKeyBytes), ...others.map(bodyBytes)].reduce((sum, bytes) => sum + bytes, 0);
        const { length } = encodeFrame(filled, signed ? key : undefined);
        expect(length).toBeLessThanOrEqual(frameOverheadBytes(filled, signed) + estimate);
      }),
      { numRuns: 500 },
    );
  });

  it("of many keys costs little more than the keys", () => {
    const keys = Array.from({ length: 1_000 }, (_, index) => `user:${index}`);
    const { length } = encodeFrame({ ...sample, bodies: [{ kind: "drop", keys, sharedDropped: true }] });
    expect(length).toBeLessThan(keys.join("").length + keys.length + 64);
  });

  it("never throws, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.option(secret, { nil: undefined }), (bytes, signing) => {
        expect(decodeFrame(bytes, signing)).toHaveProperty("problem");
      }),
      { numRuns: 1_000 },
    );
  });

  it("that was damaged is refused or read, and never throws", () => {
    const damaged = frame.chain((sent) => damage(encodeFrame(sent)));
    fc.assert(
      fc.property(damaged, (bytes) => {
        const decoded = decodeFrame(bytes);
        expect("frame" in decoded || ["version", "malformed"].includes(decoded.problem)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it("that was signed and then damaged is always refused", () => {
    const damaged = fc
      .tuple(frame, secret)
      .chain(([sent, signing]) => {
        const bytes = encodeFrame(sent, signing);
        return fc.tuple(fc.constant(bytes), damage(bytes), fc.constant(signing));
      })
      .filter(([before, after]) => Buffer.compare(before, after) !== 0);
    fc.assert(
      fc.property(damaged, ([, bytes, signing]) => {
        expect(decodeFrame(bytes, signing)).toHaveProperty("problem");
      }),
      { numRuns: 2_000 },
    );
  });

  it("that claims a huge number of keys is refused at once", () => {
    const writer = new Writer();
    const body = new Writer();
    body.byte(1);
    body.varint(Number.MAX_SAFE_INTEGER);
    writer.raw(encodeFrame({ ...sample, bodies: [] }));
    writer.byte(1);
    writer.varint(body.written().length);
    writer.raw(body.written());
    expect(decodeFrame(writer.written())).toEqual({ problem: "malformed", sender: "node-a" });
  });

  it("with text that is not UTF-8 is malformed: no key passes for another", () => {
    const bytes = encodeFrame(sample);
    const at = Buffer.from(bytes).indexOf("user:2");
    bytes[at + 5] = 0xff;
    expect(decodeFrame(bytes)).toEqual({ problem: "malformed", sender: "node-a" });
  });
});

describe("a frame of a later version", () => {
  it("is reported with its sender", () => {
    const bytes = encodeFrame(sample);
    bytes[1] = 2;
    expect(decodeFrame(bytes)).toEqual({ problem: "version", sender: "node-a" });
    expect(decodeFrame(bytes.slice(0, 2))).toEqual({ problem: "version", sender: undefined });
  });

  it("is recognised by flags that this version does not know", () => {
    const bytes = encodeFrame(sample);
    bytes[3 + "node-a".length] = 128;
    expect(decodeFrame(bytes)).toEqual({ problem: "version", sender: "node-a" });
  });

  it("may carry bodies of an unknown kind: they are skipped, the others are read", () => {
    const writer = new Writer();
    writer.raw(encodeFrame({ ...sample, bodies: [{ kind: "drop-all" }] }));
    writer.byte(200);
    writer.varint(3);
    writer.raw(Uint8Array.of(1, 2, 3));
    writer.raw(encodeFrame(sample).slice(encodeFrame({ ...sample, bodies: [] }).length));
    expect(decodeFrame(writer.written())).toEqual({
      frame: { ...sample, bodies: [{ kind: "drop-all" }, ...sample.bodies] },
    });
  });

  it("may make a known body longer: what is known of it is read", () => {
    const writer = new Writer();
    writer.raw(encodeFrame({ ...sample, bodies: [] }));
    writer.byte(4);
    writer.varint(3);
    writer.raw(Uint8Array.of(9, 77, 77));
    expect(decodeFrame(writer.written())).toEqual({ frame: { ...sample, bodies: [{ kind: "goodbye", last: 9 }] } });
  });
});

describe("a secret", () => {
  it("refuses what is unsigned, signed otherwise, or cut", () => {
    const refused = { problem: "signature", sender: "node-a" };
    expect(decodeFrame(encodeFrame(sample), key)).toEqual(refused);
    expect(decodeFrame(encodeFrame(sample, Uint8Array.of(1)), key)).toEqual(refused);
    expect(decodeFrame(encodeFrame(sample, key).slice(0, 20), key)).toEqual(refused);
    expect(decodeFrame(encodeFrame(sample, key).slice(0, 20))).toEqual({ problem: "malformed", sender: "node-a" });
  });

  it("can be introduced node by node: who has none reads signed frames", () => {
    expect(decodeFrame(encodeFrame(sample, key))).toEqual({ frame: sample });
  });
});

describe("whole numbers", () => {
  it("of up to 2^53 - 1 come back, in as many bytes as was said", () => {
    fc.assert(
      fc.property(whole, (value) => {
        const writer = new Writer(1);
        writer.varint(value);
        const bytes = writer.written();
        expect(bytes.length).toBe(varintBytes(value));
        expect(bytes.length).toBeLessThanOrEqual(longestVarintBytes);
        expect(new Reader(bytes).varint()).toBe(value);
      }),
    );
  });

  it("that are negative, broken or larger are not written, and NaN is not either", () => {
    for (const value of [-1, 0.5, 2 ** 53, Number.NaN]) expect(() => new Writer().varint(value)).toThrow(RangeError);
    expect(() => new Writer().double(Number.NaN)).toThrow(RangeError);
  });

  it("that are larger are not read", () => {
    const tooLarge = Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 127);
    expect(() => new Reader(tooLarge).varint()).toThrow("larger than 2^53");
    expect(() => new Reader(new Uint8Array(9).fill(255)).varint()).toThrow("larger than 2^53");
    const nan = new Uint8Array(8).fill(255);
    expect(() => new Reader(nan).double()).toThrow("NaN");
  });
});
