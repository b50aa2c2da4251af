import { createHash } from "node:crypto";
import type { DeleteMutation, PutMutation } from "../ports/store.ts";
import type { Revision } from "../values/entry.ts";
import { reservedPrefix } from "../values/pattern.ts";
import { nextTimestamp } from "../values/timestamp.ts";
import { encodeValue } from "../wire/encode-value.ts";
import { jsonCodec } from "../wire/json-codec.ts";
import { encodeStored } from "../wire/stored-value.ts";
import type { Context } from "./context.ts";

/** The key of a lock's record. A digest, since a key may be as long as a store's key can be. */
export const lockKey = (key: string): string =>
  `${reservedPrefix}lock:${createHash("sha256").update(key).digest("base64url")}`;

/** That this node holds the lock, until the store's clock says that the time is over. For people, what it is about. */
export const putLock = (
  context: Context,
  key: string,
  recordKey: string,
  ttlMs: number,
  expected: Revision | undefined,
): PutMutation => ({
  kind: "put",
  key: recordKey,
  expected,
  value: encodeStored(encodeValue(jsonCodec, { key, node: context.settings.node }, recordKey)),
  timestamp: nextTimestamp(context.clock.now(), context.settings.node),
  history: undefined,
  ttlMs,
});

/** That nobody holds it. The tombstone keeps the timestamp above which the next grant's will be. */
export const deleteLock = (context: Context, recordKey: string, expected: Revision): DeleteMutation => ({
  kind: "delete",
  key: recordKey,
  expected,
  timestamp: nextTimestamp(context.clock.now(), context.settings.node),
  history: undefined,
});
