import { type PortName, WarpError } from "../errors.ts";
import type { Registration } from "../mechanisms/registration.ts";
import type { Codec } from "../ports/codec.ts";
import type { DeleteMutation, PutMutation, StoredRecord } from "../ports/store.ts";
import { expiryOf, isDirty, type OperationId, type Revision } from "../values/entry.ts";
import { nextTimestamp } from "../values/timestamp.ts";
import { decodeValue, encodeValue } from "../wire/encode-value.ts";
import { decodeStored, encodeStored } from "../wire/stored-value.ts";
import type { Context } from "./context.ts";
import { decodeFor, standingOf } from "./tiers.ts";
import type { Known, WriteCall } from "./write-run.ts";

export interface WriteRequest {
  readonly operation: string;
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number | undefined;
  /** Names the operation, so that a repeated call is recognised. */
  readonly op: OperationId | undefined;
  /** One of many independent writes, which share round trips. */
  readonly together?: boolean;
}

export const writeCall = (registration: Registration, keys: readonly string[], request: WriteRequest): WriteCall => ({
  operation: request.operation,
  keys,
  signal: request.signal,
  timeoutMs: request.timeoutMs ?? registration.policy.hardTimeoutMs,
  together: request.together === true,
  // What a named operation left may be another call's value.
  answer: request.op === undefined ? "none" : "records",
  needsQuorum: registration.isStrong,
});

/** What `guess` knows of a key that this node holds nothing of. */
export const nothing: Known = Object.freeze({ revision: undefined, value: undefined });

/**
 * What the local tier knows of a key: good enough to guess what the store holds.
 * @param valueMatters Whether the outcome hangs on the value, or on the revision alone. Default: as the merge says.
 */
export const guess = (
  context: Context,
  key: string,
  registration: Registration,
  valueMatters: boolean = registration.policy.merge?.readsCurrent === true,
): Known => {
  const entry = context.local?.get(key);
  if (entry === undefined || entry.registration !== registration || isDirty(entry)) return nothing;
  const now = context.clock.monotonic();
  if (context.store === undefined) {
    // Without a store there are no revisions, and the entry is what counts while it is fresh.
    const standing = standingOf(entry, registration, now);
    return standing === "suspect" || standing === "expired" ? nothing : { revision: undefined, value: entry.value };
  }
  if (entry.revision === undefined) return nothing;
  if (now < expiryOf(entry)) return { revision: entry.revision, value: entry.value };
  // It may have expired in the store too, which leaves its revision standing, and no value.
  return valueMatters ? nothing : { revision: entry.revision, value: undefined };
};

/** What the store said that a key holds. */
export const knownFrom = (registration: Registration, key: string, record: StoredRecord | undefined): Known => ({
  revision: record?.revision,
  value: record?.value === undefined ? undefined : decodeFor(registration, decodeStored(record.value, key), key),
});

/**
 * As `knownFrom`, for a write that does not look at what it replaces: bytes that nobody can read any more count as some
 * value, so that they can be written over and deleted.
 */
export const knownToReplace = (registration: Registration, key: string, record: StoredRecord | undefined): Known => {
  try {
    return knownFrom(registration, key, record);
  } catch (error) {
    if (!WarpError.has(error, "CORRUPT") || registration.policy.merge?.readsCurrent === true) throw error;
    return { revision: record?.revision, value: null };
  }
};

export const mergeFailure = (engine: string, key: string, cause: unknown): WarpError =>
  new WarpError("INVALID_VALUE", `the merge engine ${engine} refused the value`, { key, port: "merge", cause });

/** Whether a promise that resolves to `value` would await it, so that no read could give it back. */
export const isThenable = (value: unknown): boolean =>
  (typeof value === "object" ? value !== null : typeof value === "function") &&
  typeof (value as { then?: unknown }).then === "function";

/** @throws {WarpError} `INVALID_VALUE`. */
export const requireNoThenable = (key: string, value: unknown, port: PortName): void => {
  if (!isThenable(value)) return;
  throw new WarpError("INVALID_VALUE", "the value is a promise, or an object with a method then: await it first", {
    key,
    port,
  });
};

/** @throws {WarpError} `INVALID_VALUE` if the engine throws or the result cannot be stored. */
export const mergeValues = (registration: Registration, key: string, current: unknown, incoming: unknown): unknown => {
  const { merge } = registration.policy;
  let merged = incoming;
  try {
    if (merge !== undefined) merged = merge.merge(current, incoming);
  } catch (error) {
    throw WarpError.is(error) ? error : mergeFailure(merge?.name ?? "", key, error);
  }
  requireNoThenable(key, merged, merged === incoming ? "codec" : "merge");
  // To the caches it would say that the key does not exist.
  if (merged !== undefined) return merged;
  const reason = incoming === undefined ? "value is undefined" : "the merge engine made undefined";
  throw new WarpError("INVALID_VALUE", `${reason}, which is no value; delete the key instead`, {
    key,
    port: incoming === undefined ? "codec" : "merge",
  });
};

export const putMutation = (
  context: Context,
  registration: Registration,
  key: string,
  expected: Revision | undefined,
  value: unknown,
): PutMutation => ({
  kind: "put",
  key,
  expected,
  value: encodeStored(encodeValue(registration.policy.codec, value, key)),
  timestamp: nextTimestamp(context.clock.now(), context.settings.node),
  history: registration.policy.history,
  ttlMs: registration.policy.storeTtlMs,
});

export const deleteMutation = (
  context: Context,
  registration: Registration,
  key: string,
  expected: Revision | undefined,
): DeleteMutation => ({
  kind: "delete",
  key,
  expected,
  timestamp: nextTimestamp(context.clock.now(), context.settings.node),
  history: registration.policy.history,
});

/**
 * What is to reach the store later: as it is now, whatever the caller does with the object afterwards.
 * @throws {WarpError} `INVALID_VALUE`.
 */
export const ownCopy = ({ local }: Context, codec: Codec, key: string, value: unknown): unknown => {
  const encoded = encodeValue(codec, value, key);
  const isOwn = typeof value !== "object" || value === null || local?.isolate !== "none";
  return isOwn ? value : decodeValue(codec, encoded, key);
};
