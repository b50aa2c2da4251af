import { WarpError } from "../errors.ts";
import type { Registration } from "../mechanisms/registration.ts";
import type { StoreAccess } from "../mechanisms/store-access.ts";
import type { History } from "../ports/history.ts";
import type { Store, StoredRecord } from "../ports/store.ts";
import { decodeStored } from "../wire/stored-value.ts";
import { type Context, flushFirst } from "./context.ts";
import { decodeFor } from "./tiers.ts";

/** Whether a store keeps the past too. */
export const keepsHistory = (store: Store): store is Store & History =>
  typeof (store as Partial<History>).getAt === "function";

const recordAt = async (store: StoreAccess, key: string, at: number): Promise<StoredRecord | undefined> => {
  const call = { operation: "getAt", key };
  const { store: port } = store;
  if (keepsHistory(port)) return await store.guard.call(call, (options) => port.getAt(key, at, options));
  const [record] = await store.getMany([key], call);
  if (await isKnownAt(store, call, record, at)) return record;
  throw new WarpError("HISTORY_UNAVAILABLE", "this store keeps no history", { ...call, port: "store" });
};

/** Whether a store without history tells by what it holds now what the key held at `at`. */
const isKnownAt = async (
  { guard, store }: StoreAccess,
  call: { readonly operation: string; readonly key: string },
  record: StoredRecord | undefined,
  at: number,
): Promise<boolean> => {
  if (record !== undefined) {
    // What has expired is there no more: it is known from its end on.
    const knownFrom = record.value === undefined ? (record.expiresAt ?? record.committedAt) : record.committedAt;
    return knownFrom <= at;
  }
  // Where tombstones stay for good there was never anything; else there may have been, until now.
  return !store.conditionalDelete || at >= (await guard.call(call, (options) => store.now(options)));
};

/**
 * The value as of `at` (milliseconds since the epoch), dated by the store's commits; where there is no store, by what
 * this node saw. `undefined` if the key did not exist then.
 * @throws {WarpError} `HISTORY_UNAVAILABLE`.
 */
export const valueAt = async (
  context: Context,
  registration: Registration,
  key: string,
  at: number,
): Promise<unknown> => {
  const { store, versions } = context;
  if (store === undefined) return versions?.valueAt(key, at, context.clock.now());
  await flushFirst(context, [key], "getAt");
  const record = await recordAt(store, key, at);
  return record?.value === undefined ? undefined : decodeFor(registration, decodeStored(record.value, key), key);
};
