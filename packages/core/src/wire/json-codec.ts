import type { Codec } from "../ports/codec.ts";

const encoder = new TextEncoder();
// Bytes that are not UTF-8 must not pass for other characters.
const decoder = new TextDecoder("utf-8", { fatal: true });

/** The default codec: JSON as UTF-8. Core refuses values that JSON would change. */
export const jsonCodec: Codec = Object.freeze({
  name: "json",
  encode: (value: unknown) => encoder.encode(JSON.stringify(value)),
  decode: (bytes: Uint8Array): unknown => JSON.parse(decoder.decode(bytes)),
});
