import { WarpError } from "@warp/core";
import { asHeader, headerJson } from "./header-json.ts";
import type { RecordHeader, Version } from "./version.ts";

/** A transaction's claim on a key. What the key holds depends on how that transaction ends. */
export interface Intent {
  /** Names the transaction. */
  readonly transaction: string;
  /** What the key holds once it has committed; `undefined`: what it holds now, since it was only read. */
  readonly next: Version | undefined;
}

/** What an object holds. */
export interface RecordBody {
  /** `undefined`: there is no record, as after a transaction that only looked at the key. */
  readonly version: Version | undefined;
  readonly intent: Intent | undefined;
}

/**
 * How an object's size, modulo 4, tells a listing what is in it: a value that never expires, nothing that is to be
 * listed, or something that must be read (an expiry, an intent, a key that does not fit its name).
 */
export const sizeKinds = ["live", "nothing", "read"] as const;
type SizeKind = (typeof sizeKinds)[number];

const formatVersion = 1;
/** The format version, then the length of the JSON. */
const preambleBytes = 5;

/** The head of an object of this many bytes tells its key and its expiry, but for the rarest of them. */
export const headBytes = 8_192;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const noBytes = new Uint8Array(0);

const corrupt = (reason: string, key: string | undefined, cause?: unknown): WarpError =>
  new WarpError("CORRUPT", `the store holds ${reason}`, { port: "store", key, cause });

const kindOf = ({ version, intent }: RecordBody, cutKey: string | undefined): SizeKind => {
  if (intent !== undefined) return "read";
  if (version === undefined || version.header.isTombstone) return "nothing";
  return version.header.expiresAt !== undefined || cutKey !== undefined ? "read" : "live";
};

/** @param cutKey The key, if the object's name does not tell it. */
export const encodeBody = (body: RecordBody, cutKey: string | undefined): Uint8Array => {
  const { version, intent } = body;
  const json = encoder.encode(
    JSON.stringify({
      key: cutKey,
      record: version && headerJson(version.header, version.value.length),
      intent: intent && {
        transaction: intent.transaction,
        next: intent.next && headerJson(intent.next.header, intent.next.value.length),
      },
    }),
  );
  const values = [version?.value ?? noBytes, intent?.next?.value ?? noBytes] as const;
  const length = preambleBytes + json.length + values[0].length + values[1].length;
  const padding = (sizeKinds.indexOf(kindOf(body, cutKey)) - length) & 3;
  const bytes = new Uint8Array(length + padding);
  bytes[0] = formatVersion;
  new DataView(bytes.buffer).setUint32(1, json.length);
  bytes.set(json, preambleBytes);
  bytes.set(values[0], preambleBytes + json.length);
  bytes.set(values[1], preambleBytes + json.length + values[0].length);
  return bytes;
};

interface Head {
  readonly key: string | undefined;
  readonly record: ReturnType<typeof asHeader> | undefined;
  readonly intent: { readonly transaction: string; readonly next: ReturnType<typeof asHeader> | undefined } | undefined;
  readonly bytes: number;
}

const parseHead = (json: string): Omit<Head, "bytes"> => {
  const { key, record, intent } = JSON.parse(json);
  if (key !== undefined && typeof key !== "string") throw new Error("its key is no text");
  if (intent !== undefined && typeof intent.transaction !== "string") throw new Error("its intent names nobody");
  return {
    key,
    record: record === undefined ? undefined : asHeader(record),
    intent: intent && {
      transaction: intent.transaction,
      next: intent.next === undefined ? undefined : asHeader(intent.next),
    },
  };
};

/** @returns `undefined` if more bytes are needed to tell. @throws {WarpError} `CORRUPT`. */
const headOf = (bytes: Uint8Array, key: string | undefined): Head | undefined => {
  if (bytes.length < preambleBytes) throw corrupt("fewer bytes than any record has", key);
  if (bytes[0] !== formatVersion)
    throw corrupt(`a record of format version ${bytes[0]}, which this version of Warp cannot read`, key);
  const jsonBytes = new DataView(bytes.buffer, bytes.byteOffset).getUint32(1);
  if (preambleBytes + jsonBytes > bytes.length) return undefined;
  try {
    const json = decoder.decode(bytes.subarray(preambleBytes, preambleBytes + jsonBytes));
    return { ...parseHead(json), bytes: preambleBytes + jsonBytes };
  } catch (cause) {
    throw corrupt("a record whose header cannot be read", key, cause);
  }
};

/** What the first bytes of an object tell a listing. */
export interface BodyHead {
  /** Only where the name does not tell it. */
  readonly key: string | undefined;
  readonly header: RecordHeader | undefined;
  /** The transaction whose intent is on it. */
  readonly transaction: string | undefined;
}

/** @returns `undefined` if more bytes are needed to tell. @throws {WarpError} `CORRUPT`. */
export const decodeHead = (bytes: Uint8Array): BodyHead | undefined => {
  const head = headOf(bytes, undefined);
  return head && { key: head.key, header: head.record?.header, transaction: head.intent?.transaction };
};

/** @param key For errors. @throws {WarpError} `CORRUPT`. */
export const decodeBody = (bytes: Uint8Array, key: string): RecordBody => {
  const head = headOf(bytes, key);
  if (head === undefined) throw corrupt("a record that is cut short", key);
  const { record, intent } = head;
  const nextAt = head.bytes + (record?.valueBytes ?? 0);
  const end = nextAt + (intent?.next?.valueBytes ?? 0);
  if (end > bytes.length || bytes.length > end + 3) throw corrupt("a record of another length than it says", key);
  if (head.key !== undefined && head.key !== key) throw corrupt("the record of another key", key);
  return {
    version: record && { header: record.header, value: bytes.subarray(head.bytes, nextAt) },
    intent: intent && {
      transaction: intent.transaction,
      next: intent.next && { header: intent.next.header, value: bytes.subarray(nextAt, end) },
    },
  };
};
