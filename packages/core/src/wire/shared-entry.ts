import { WarpError } from "../errors.ts";
import type { Revision } from "../values/entry.ts";
import { Reader, textBytes, Writer } from "./bytes.ts";

/** What core puts into a slot of the shared tier. */
export interface SharedEntry {
  /** Bytes of the codec; `undefined` for a key known not to exist. */
  readonly value: Uint8Array | undefined;
  /** The store's revision of the value; `undefined` where no store dates it. */
  readonly revision: Revision | undefined;
  /** The tier's epoch when the fill began: of another epoch, the entry is suspect. */
  readonly epoch: string | undefined;
  /** The part of the slot's time to live, at its end, in which only fail-safe may serve the value, in milliseconds. */
  readonly graceMs: number;
  /** The value's whole life, grace not counted, in milliseconds; `Infinity` allowed. */
  readonly ttlMs: number;
}

const magic = 0x77;
const version = 1;

const valueFlag = 1;
const revisionFlag = 2;
const epochFlag = 4;
const knownFlags = valueFlag | revisionFlag | epochFlag;

/** The bytes of an entry, version 1. */
export const encodeSharedEntry = ({ value, revision, epoch, graceMs, ttlMs }: SharedEntry): Uint8Array => {
  const texts = (revision === undefined ? 0 : textBytes(revision)) + (epoch === undefined ? 0 : textBytes(epoch));
  const writer = new Writer(3 + texts + 16 + (value?.length ?? 0));
  writer.byte(magic);
  writer.byte(version);
  writer.byte(
    (value === undefined ? 0 : valueFlag) |
      (revision === undefined ? 0 : revisionFlag) |
      (epoch === undefined ? 0 : epochFlag),
  );
  if (revision !== undefined) writer.text(revision);
  if (epoch !== undefined) writer.text(epoch);
  writer.double(graceMs);
  writer.double(ttlMs);
  if (value !== undefined) writer.raw(value);
  return writer.written();
};

const corrupt = (reason: string, cause?: unknown): WarpError =>
  new WarpError("CORRUPT", `the shared tier holds bytes that are no entry of Warp's: ${reason}`, {
    port: "shared-cache",
    ...(cause === undefined ? {} : { cause }),
  });

const read = (reader: Reader, likelyEpoch: string | undefined): SharedEntry => {
  if (reader.byte() !== magic) throw corrupt("they begin otherwise");
  const found = reader.byte();
  if (found !== version) throw corrupt(`format version ${found} is not known to this version of Warp`);
  const flags = reader.byte();
  if ((flags & ~knownFlags) !== 0) throw corrupt(`flags ${flags} are not known to this version of Warp`);
  const revision = (flags & revisionFlag) === 0 ? undefined : reader.text();
  const epoch = (flags & epochFlag) === 0 ? undefined : reader.text(likelyEpoch);
  const graceMs = reader.double();
  const ttlMs = reader.double();
  if (!(graceMs >= 0 && ttlMs >= 0)) throw corrupt("a time is negative");
  const value = (flags & valueFlag) === 0 ? undefined : reader.rest();
  if (reader.left > 0) throw corrupt("an entry without a value is followed by bytes");
  return { value, revision, epoch, graceMs, ttlMs };
};

/**
 * Reads an entry; its value is a view on `bytes`, not a copy.
 * @param likelyEpoch What most entries name: comparing is cheaper than decoding.
 * @throws {WarpError} `CORRUPT` for anything else, also for a later version's entry.
 */
export const decodeSharedEntry = (bytes: Uint8Array, likelyEpoch?: string): SharedEntry => {
  try {
    return read(new Reader(bytes), likelyEpoch);
  } catch (error) {
    throw WarpError.is(error) ? error : corrupt("they are cut off or damaged", error);
  }
};
