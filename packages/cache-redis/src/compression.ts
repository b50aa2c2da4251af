import { promisify } from "node:util";
import { deflate, inflate } from "node:zlib";
import type { CompressionSettings } from "./options.ts";

const deflated = promisify(deflate) as (bytes: Uint8Array, options: { level: number }) => Promise<Buffer>;
const inflated = promisify(inflate) as (bytes: Uint8Array, options: { maxOutputLength: number }) => Promise<Buffer>;

/** The largest value that Redis itself would hold. */
const mostBytes = 2 ** 29;

/** What a put carries. */
export interface Payload {
  readonly bytes: Uint8Array;
  readonly isDeflated: boolean;
}

/** zlib's format (RFC 1950), made off the event loop; or the bytes as they are, where that is no gain. */
export const compressed = async (bytes: Uint8Array, { level }: CompressionSettings): Promise<Payload> => {
  const smaller = await deflated(bytes, { level });
  return smaller.length < bytes.length ? { bytes: smaller, isDeflated: true } : { bytes, isDeflated: false };
};

/** @returns `undefined` where the bytes are damaged: zlib's checksum says so. */
export const decompressed = (bytes: Uint8Array): Promise<Uint8Array | undefined> =>
  inflated(bytes, { maxOutputLength: mostBytes }).catch(() => undefined);
