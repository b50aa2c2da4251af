import fc from "fast-check";
import type { Frame } from "../../src/wire/frame.ts";
import type { FrameBody } from "../../src/wire/frame-body.ts";
import type { SharedEntry } from "../../src/wire/shared-entry.ts";

/** Well-formed text: short, long, of every plane, with a byte order mark or NUL in front. */
export const text: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.string({ minLength: 120, maxLength: 140 }),
  fc.constantFrom("", "\uFEFFmark", "\u0000warp:x", "ключ", "🗝️"),
);

/** Whole numbers, most of them near a power of two. */
export const whole: fc.Arbitrary<number> = fc.oneof(
  fc.maxSafeNat(),
  fc.nat(300),
  fc.tuple(fc.integer({ min: 0, max: 53 }), fc.integer({ min: -1, max: 1 })).map(([power, by]) => {
    const value = 2 ** power + by;
    return Number.isSafeInteger(value) ? value : Number.MAX_SAFE_INTEGER;
  }),
);

const heard = fc.record({ node: text, incarnation: text, last: whole });

export const frameBody: fc.Arbitrary<FrameBody> = fc.oneof(
  fc.record({ kind: fc.constant("drop" as const), keys: fc.array(text), sharedDropped: fc.boolean() }),
  fc.constant({ kind: "drop-all" as const }),
  fc.record(
    {
      kind: fc.constant("heartbeat" as const),
      last: whole,
      heard: fc.array(heard),
      epoch: fc.option(text, { nil: undefined }),
      departed: fc.array(heard),
    },
    { requiredKeys: ["kind", "last", "heard", "epoch"] },
  ),
  fc.record({ kind: fc.constant("goodbye" as const), last: whole }),
  fc.record({
    kind: fc.constant("lease" as const),
    id: text,
    expiresAt: fc.double({ noNaN: true }),
    ended: fc.boolean(),
  }),
  fc.record({ kind: fc.constant("attach" as const), lease: text, key: text }),
  fc.record({
    kind: fc.constant("prepare" as const),
    operation: text,
    part: whole,
    fenceMs: whole,
    keys: fc.array(text),
  }),
  fc.record({
    kind: fc.constant("acknowledge" as const),
    operation: text,
    part: whole,
    mismatch: fc.boolean(),
    zone: text,
  }),
  fc.record({
    kind: fc.constant("commit" as const),
    operation: text,
    keys: fc.array(text),
    sharedDropped: fc.boolean(),
  }),
  fc.record({ kind: fc.constant("abort" as const), operation: text }),
);

export const frame: fc.Arbitrary<Frame> = fc.record({
  cluster: text,
  sender: text,
  incarnation: text,
  number: whole,
  to: fc.option(text, { nil: undefined }),
  sentAt: fc.double({ noNaN: true }),
  bodies: fc.array(frameBody, { maxLength: 6 }),
});

export const secret: fc.Arbitrary<Uint8Array> = fc.uint8Array({ minLength: 1, maxLength: 64 });

const life = fc.double({ min: 0, noNaN: true });

export const sharedEntry: fc.Arbitrary<SharedEntry> = fc.record({
  value: fc.option(fc.uint8Array(), { nil: undefined }),
  revision: fc.option(text, { nil: undefined }),
  epoch: fc.option(text, { nil: undefined }),
  graceMs: life,
  ttlMs: life,
});

/** What may happen to bytes on their way. */
export const damage = (bytes: Uint8Array): fc.Arbitrary<Uint8Array> => {
  const at = fc.nat(Math.max(0, bytes.length - 1));
  return fc.oneof(
    at.map((length) => bytes.slice(0, length)),
    fc.tuple(at, fc.integer({ min: 1, max: 255 })).map(([index, by]) => {
      const changed = bytes.slice();
      changed[index] = (changed[index] ?? 0) ^ by;
      return changed;
    }),
    fc.tuple(at, fc.uint8Array({ maxLength: 4 })).map(([index, extra]) => {
      return Uint8Array.from([...bytes.slice(0, index), ...extra, ...bytes.slice(index)]);
    }),
    fc.tuple(at, at).map(([a, b]) => Uint8Array.from([...bytes.slice(0, a), ...bytes.slice(b)])),
  );
};
