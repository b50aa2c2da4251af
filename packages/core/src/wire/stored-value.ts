import { WarpError } from "../errors.ts";
import { transientBytes } from "./bytes.ts";

const version = 1;

/** What core gives a store: the format version, then the codec's bytes. */
export const encodeStored = (encoded: Uint8Array): Uint8Array => {
  const bytes = transientBytes(encoded.length + 1);
  bytes[0] = version;
  bytes.set(encoded, 1);
  return bytes;
};

/**
 * The codec's bytes in what a store holds, as a view.
 * @throws {WarpError} `CORRUPT` if there are none, or of an unknown version: not written by Warp, or by a later one.
 */
export const decodeStored = (bytes: Uint8Array, key?: string): Uint8Array => {
  const found = bytes[0];
  if (found === version) return bytes.subarray(1);
  const reason =
    found === undefined ? "no bytes at all" : `format version ${found}, which this version of Warp cannot read`;
  throw new WarpError("CORRUPT", `the store holds ${reason}`, { port: "store", key });
};
