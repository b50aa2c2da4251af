import { createHash } from "node:crypto";
import { WarpError } from "../errors.ts";
import type { StoreAccess } from "../mechanisms/store-access.ts";
import type { DeleteMutation, PutMutation, StoredRecord } from "../ports/store.ts";
import type { Revision } from "../values/entry.ts";
import { reservedPrefix } from "../values/pattern.ts";
import { nextTimestamp } from "../values/timestamp.ts";
import { decodeValue, encodeValue } from "../wire/encode-value.ts";
import { jsonCodec } from "../wire/json-codec.ts";
import { decodeStored, encodeStored } from "../wire/stored-value.ts";
import { type Context, newOperation } from "./context.ts";

/** Every lease's record has a key that begins with this, and goes on with its id. */
export const leasePrefix: string = `${reservedPrefix}lease:`;

export const leaseKey = (id: string): string => leasePrefix + id;

/** What the keys of a lease's attachments begin with. */
export const attachmentPrefix = (id: string): string => `${reservedPrefix}attached:${id}:`;

/** A digest, since a key may be as long as a store's key can be. */
export const attachmentKey = (id: string, key: string): string =>
  attachmentPrefix(id) + createHash("sha256").update(key).digest("base64url");

/** A lease as it is stored. Its record never expires by itself: only whoever has dropped its keys removes it. */
export interface LeaseState {
  /** From the commit on. */
  readonly ttlMs: number;
  readonly ended: boolean;
}

const corrupt = (recordKey: string): WarpError =>
  new WarpError("CORRUPT", "the store holds something else than a lease's record", { port: "store", key: recordKey });

const decodeObject = (recordKey: string, value: Uint8Array): object => {
  const decoded = decodeValue(jsonCodec, decodeStored(value, recordKey), recordKey);
  if (typeof decoded !== "object" || decoded === null) throw corrupt(recordKey);
  return decoded;
};

/** @throws {WarpError} `CORRUPT`. */
export const leaseStateIn = (id: string, value: Uint8Array): LeaseState => {
  const { ttlMs, ended } = decodeObject(leaseKey(id), value) as { ttlMs?: unknown; ended?: unknown };
  if (typeof ended !== "boolean" || (typeof ttlMs !== "number" && ttlMs !== null)) throw corrupt(leaseKey(id));
  return { ttlMs: ttlMs ?? Number.POSITIVE_INFINITY, ended };
};

/** The key that an attachment is of. @throws {WarpError} `CORRUPT`. */
export const attachedKeyIn = (recordKey: string, value: Uint8Array): string => {
  const { key } = decodeObject(recordKey, value) as { key?: unknown };
  if (typeof key !== "string") throw corrupt(recordKey);
  return key;
};

const put = (context: Context, key: string, value: object, expected: Revision | undefined): PutMutation => ({
  kind: "put",
  key,
  expected,
  value: encodeStored(encodeValue(jsonCodec, value, key)),
  timestamp: nextTimestamp(context.clock.now(), context.settings.node),
  history: undefined,
  ttlMs: undefined,
});

export const putLease = (
  context: Context,
  id: string,
  { ttlMs, ended }: LeaseState,
  expected: Revision | undefined,
): PutMutation =>
  // JSON knows no Infinity.
  put(context, leaseKey(id), { ttlMs: ttlMs === Number.POSITIVE_INFINITY ? null : ttlMs, ended }, expected);

export const putAttachment = (context: Context, id: string, key: string, expected: Revision | undefined): PutMutation =>
  put(context, attachmentKey(id, key), { key }, expected);

const deletion = (context: Context, key: string, expected: Revision): DeleteMutation => ({
  kind: "delete",
  key,
  expected,
  timestamp: nextTimestamp(context.clock.now(), context.settings.node),
  history: undefined,
});

/**
 * Removes a record where this revision stands. One that was overtaken is left to whoever overtook: that is no failure.
 * @throws {WarpError} If it may still be there.
 */
export const removeRecord = async (
  context: Context,
  store: StoreAccess,
  key: string,
  revision: Revision,
): Promise<void> => {
  const mutation = deletion(context, key, revision);
  // What goes to the store together must be of distinct keys.
  const release = await context.locks.lock(key);
  try {
    const reply = store.joinsCommits
      ? (await store.commitWithOthers(mutation)).reply
      : await store.commit(newOperation(context), [mutation], { operation: "lease" });
    if (reply.kind === "refused" || reply.kind === "unknown") throw reply.error;
  } finally {
    release();
  }
};

export interface FoundRecord {
  readonly key: string;
  readonly record: StoredRecord;
  readonly value: Uint8Array;
}

const takeKeys = async (iterator: AsyncIterator<string>, most: number): Promise<readonly string[]> => {
  const keys: string[] = [];
  while (keys.length < most) {
    const next = await iterator.next();
    if (next.done === true) break;
    keys.push(next.value);
  }
  return keys;
};

/** The live records of every key that begins with `prefix`, so many at a time. */
export async function* recordsUnder(
  store: StoreAccess,
  prefix: string,
  pageSize: number,
): AsyncGenerator<readonly FoundRecord[], void, void> {
  const call = { operation: "lease" };
  const iterator = store.store.keys(prefix)[Symbol.asyncIterator]();
  try {
    for (;;) {
      const keys = await store.guard.call(call, () => takeKeys(iterator, pageSize));
      if (keys.length === 0) return;
      const records = await store.getMany(keys, call);
      yield keys.flatMap((key, index) => {
        const record = records[index];
        return record?.value === undefined ? [] : [{ key, record, value: record.value }];
      });
      if (keys.length < pageSize) return;
    }
  } finally {
    // Not awaited: a stream that hangs would hang here too.
    void iterator.return?.().catch(() => undefined);
  }
}
