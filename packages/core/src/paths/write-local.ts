import type { Registration } from "../mechanisms/registration.ts";
import type { Entry } from "../values/entry.ts";
import { encodeValue } from "../wire/encode-value.ts";
import { decodeSharedEntry, encodeSharedEntry } from "../wire/shared-entry.ts";
import { beginSending } from "./commit.ts";
import { type Context, tolerateCacheError } from "./context.ts";
import { changeShared, dropElsewhere } from "./shared-changes.ts";
import { decodeFor, dropLocal, fillLocal, isolateOut, newLife, standingOf } from "./tiers.ts";
import { runWrite } from "./write-run.ts";
import { mergeValues, type WriteRequest, writeCall } from "./write-values.ts";

/** The value that the local tier may serve now. */
export const currentLocalValue = (context: Context, registration: Registration, key: string): unknown => {
  const entry = context.local?.get(key);
  if (entry === undefined) return undefined;
  const standing = standingOf(entry, registration, context.clock.monotonic());
  return standing === "fresh" || standing === "eager" ? entry.value : undefined;
};

/** Replaces what the local tier holds, in one synchronous step. */
export const putLocally = (context: Context, registration: Registration, key: string, value: unknown): void => {
  context.fills.void(key);
  if (context.local !== undefined) {
    const token = context.fills.take(key, registration);
    const life = newLife(context, key, registration, false);
    try {
      fillLocal(context, { key, registration, token, value, revision: undefined, life });
    } finally {
      context.fills.release(token);
    }
  }
  context.versions?.add(key, value, registration, registration.generation, context.clock.now());
};

const sharedValue = async (context: Context, registration: Registration, key: string): Promise<unknown> => {
  try {
    const slot = await context.shared?.read(key);
    if (slot?.bytes === undefined) return undefined;
    const entry = decodeSharedEntry(slot.bytes);
    const isLive =
      entry.epoch !== undefined && entry.epoch === context.epochs?.trusted && slot.expiresInMs > entry.graceMs;
    return isLive && entry.value !== undefined ? decodeFor(registration, entry.value, key) : undefined;
  } catch (error) {
    tolerateCacheError(context, error, "get", "shared-cache");
    return undefined;
  }
};

/**
 * To be done once the shared tier has changed: a read begun since the local tier did may have found there what was
 * about to go. @param entry What this write left in the local tier.
 */
export const keepOnly = (context: Context, key: string, entry: Entry | undefined): void => {
  if (context.local?.get(key) === entry) context.fills.void(key);
  else dropLocal(context, key);
};

/** Without a store the last to reach the shared tier wins; everybody else drops and reads it from there. */
const putShared = async (
  context: Context,
  registration: Registration,
  key: string,
  encoded: Uint8Array,
): Promise<void> => {
  const { shared, epochs } = context;
  const entry = context.local?.get(key);
  const keep = (): void => keepOnly(context, key, entry);
  // A node that has just started has no epoch yet to put it under, and this may be the only place that keeps it.
  if (context.local === undefined && epochs?.trusted === undefined && shared?.guard.state === "closed")
    await epochs?.sought();
  if (shared === undefined || epochs?.trusted === undefined) return await dropElsewhere(context, [key], keep);
  const { ttlMs } = newLife(context, key, registration, false);
  const { graceMs } = registration;
  const bytes = encodeSharedEntry({ value: encoded, revision: undefined, epoch: epochs.trusted, graceMs, ttlMs });
  const put = { key, bytes, ttlMs: ttlMs + graceMs, token: undefined };
  await changeShared(context, { operation: "set", keys: [key], change: () => shared.put(put), apply: keep });
};

/** A write where the caches are all there is. Synchronous but for the shared tier. */
export const setWithoutStore = (
  context: Context,
  registration: Registration,
  key: string,
  value: unknown,
  request: WriteRequest,
): unknown => {
  if (context.shared === undefined || !registration.isDistributed) {
    const merged = mergeValues(registration, key, currentLocalValue(context, registration, key), value);
    putLocally(context, registration, key, merged);
    // Others may have a shared tier, which this node cannot drop from.
    if (registration.isDistributed) context.bus?.announce([key], context.shared !== undefined);
    return isolateOut(context, merged);
  }
  return runWrite(context, writeCall(registration, [key], request), async (run) => {
    const reads = registration.policy.merge?.readsCurrent === true;
    const current = reads
      ? (currentLocalValue(context, registration, key) ?? (await sharedValue(context, registration, key)))
      : undefined;
    const merged = mergeValues(registration, key, current, value);
    const encoded = encodeValue(registration.policy.codec, merged, key);
    beginSending(run);
    putLocally(context, registration, key, merged);
    await putShared(context, registration, key, encoded);
    return isolateOut(context, merged);
  });
};

/** @returns Whether a tier of this node's held it. */
export const deleteWithoutStore = async (
  context: Context,
  registration: Registration,
  key: string,
): Promise<boolean> => {
  const existed = currentLocalValue(context, registration, key) ?? (await sharedValue(context, registration, key));
  dropLocal(context, key);
  context.versions?.add(key, undefined, registration, registration.generation, context.clock.now());
  await dropElsewhere(context, [key], () => keepOnly(context, key, undefined));
  return existed !== undefined;
};
