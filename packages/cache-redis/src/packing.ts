import type { SharedPut } from "@warp/core";
import { anyToken, kinds, tokenLength } from "./script.ts";

/** One put, with the bytes that go into Redis. */
export interface PackedPut {
  readonly put: SharedPut;
  readonly bytes: Uint8Array;
  readonly isDeflated: boolean;
}

const headLength = 1 + tokenLength + 8 + 4;
const tokenShape = /^[\w-]{34}$/;
/** A time to live that Redis takes, and 285 000 years. */
const longestMs = Number.MAX_SAFE_INTEGER;

export const wholeMs = (ms: number): number => Math.min(Math.max(1, Math.ceil(ms)), longestMs);

// No slot has a token of another shape: this one stands nowhere.
const conditionOf = (token: string): string => (tokenShape.test(token) ? token : " ".repeat(tokenLength));

const anyTokenFilled = (blob: Buffer, at: number): number => {
  blob.fill(anyToken.charCodeAt(0), at, at + tokenLength);
  return at + tokenLength;
};

/** Puts as the script takes them, one after another: kind, token, life as a double, length, bytes; numbers big-endian. */
export const packed = (puts: readonly PackedPut[]): Buffer => {
  const blob = Buffer.allocUnsafe(puts.reduce((sum, { bytes }) => sum + headLength + bytes.length, 0));
  let at = 0;
  for (const { put, bytes, isDeflated } of puts) {
    at = blob.writeUInt8(isDeflated ? kinds.deflated : kinds.plain, at);
    if (put.token === undefined) at = anyTokenFilled(blob, at);
    else at += blob.write(conditionOf(put.token), at, "latin1");
    at = blob.writeDoubleBE(put.ttlMs === Number.POSITIVE_INFINITY ? put.ttlMs : wholeMs(put.ttlMs), at);
    at = blob.writeUInt32BE(bytes.length, at);
    blob.set(bytes, at);
    at += bytes.length;
  }
  return blob;
};

/** An array's head in MessagePack, by its first byte: up to 15 elements, 2^16 or 2^32. */
const arrayHeadLength = (first: number): number => {
  if (first === 0xdd) return 5;
  return first === 0xdc ? 3 : 1;
};

/**
 * Where the strings lie in an array that the script packed: where the first begins and ends, the second, and so on.
 * See https://github.com/msgpack/msgpack/blob/master/spec.md, formats fixstr, str 8, str 16 and str 32.
 */
export const placesOf = (array: Buffer): readonly number[] => {
  const places: number[] = [];
  let at = arrayHeadLength(array[0] as number);
  while (at < array.length) {
    const kind = array[at] as number;
    let length: number;
    at += 1;
    if (kind === 0xd9) length = array.readUInt8(at++);
    else if (kind === 0xda) {
      length = array.readUInt16BE(at);
      at += 2;
    } else if (kind === 0xdb) {
      length = array.readUInt32BE(at);
      at += 4;
    } else length = kind & 0x1f;
    places.push(at, at + length);
    at += length;
  }
  return places;
};
