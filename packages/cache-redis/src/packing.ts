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

const conditionOf = (token: string | undefined): string => {
  if (token === undefined) return anyToken.repeat(tokenLength);
  // No slot has a token of another shape: this one stands nowhere.
  return tokenShape.test(token) ? token : " ".repeat(tokenLength);
};

/** Puts as the script takes them, one after another: kind, token, life as a double, length, bytes; numbers big-endian. */
export const packed = (puts: readonly PackedPut[]): Buffer => {
  const blob = Buffer.allocUnsafe(puts.reduce((sum, { bytes }) => sum + headLength + bytes.length, 0));
  let at = 0;
  for (const { put, bytes, isDeflated } of puts) {
    at = blob.writeUInt8(isDeflated ? kinds.deflated : kinds.plain, at);
    at += blob.write(conditionOf(put.token), at, "latin1");
    at = blob.writeDoubleBE(put.ttlMs === Number.POSITIVE_INFINITY ? put.ttlMs : wholeMs(put.ttlMs), at);
    at = blob.writeUInt32BE(bytes.length, at);
    blob.set(bytes, at);
    at += bytes.length;
  }
  return blob;
};
