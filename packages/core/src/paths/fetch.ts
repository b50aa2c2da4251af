import type { FillToken } from "../mechanisms/fill-guard.ts";
import type { Registration } from "../mechanisms/registration.ts";
import type { SharedAccess } from "../mechanisms/shared-access.ts";
import type { StaleCopy } from "../mechanisms/single-flight.ts";
import type { StoreAccess } from "../mechanisms/store-access.ts";
import type { SharedSlot } from "../ports/shared-cache.ts";
import type { StoredRecord } from "../ports/store.ts";
import { type Entry, expiryOf, type Revision } from "../values/entry.ts";
import { decodeSharedEntry, type SharedEntry } from "../wire/shared-entry.ts";
import { decodeStored } from "../wire/stored-value.ts";
import { type Context, type Fetched, inBackground, type SlotClaim, tolerateCacheError } from "./context.ts";
import { decodeFor, fillLocal, fillShared, forget, isOut, type Life, newLife } from "./tiers.ts";

/** A value that may be out of date, with the revision to ask about. */
interface Candidate {
  readonly value: unknown;
  /** The codec's bytes, where they are at hand. */
  readonly bytes: Uint8Array | undefined;
  readonly revision: Revision;
  /** How much of its life is left, in milliseconds. */
  readonly leftMs: number;
}

/** One question to the tiers and the store. */
export interface Fetch {
  readonly context: Context;
  readonly key: string;
  readonly registration: Registration;
  readonly token: FillToken;
  /** What the local tier had, of no use by itself. */
  readonly entry: Entry | undefined;
  /** Ask the store whatever the shared tier has. */
  readonly forced: boolean;
  /** Takes what fail-safe may serve if this fails. */
  readonly onStale: (copy: StaleCopy) => void;
}

export interface SharedAnswer {
  readonly claim: SlotClaim | undefined;
  /** An answer that needs no other. */
  readonly fetched: Fetched | undefined;
  readonly candidate: Candidate | undefined;
}

export const silent: SharedAnswer = { claim: undefined, fetched: undefined, candidate: undefined };

/** Time left before the grace begins, in milliseconds. */
const slotLeftMs = (slot: SharedSlot, entry: SharedEntry): number =>
  slot.expiresInMs === Number.POSITIVE_INFINITY ? slot.expiresInMs : slot.expiresInMs - entry.graceMs;

const offerStale = (
  { context, registration, onStale }: Fetch,
  slot: SharedSlot,
  entry: SharedEntry,
  value: unknown,
) => {
  const lastsMs = Math.min(slot.expiresInMs, slotLeftMs(slot, entry) + registration.graceMs);
  if (value === undefined || registration.graceMs === 0 || lastsMs <= 0) return;
  onStale({ value, epoch: entry.epoch, until: context.clock.monotonic() + lastsMs });
};

/** What a slot says: if it is live, with a copy of it in the local tier; else something to ask the store about. */
const serveSlot = (fetch: Fetch, claim: SlotClaim, bytes: Uint8Array): SharedAnswer => {
  const { context, key, registration, token } = fetch;
  const { slot } = claim;
  const trusted = context.epochs?.trusted;
  const entry = decodeSharedEntry(bytes, trusted);
  const value = entry.value === undefined ? undefined : decodeFor(registration, entry.value, key);
  const { revision } = entry;
  const leftMs = slotLeftMs(slot, entry);
  if (leftMs <= 0 || entry.epoch === undefined || entry.epoch !== trusted) {
    offerStale(fetch, slot, entry, value);
    const candidate =
      value === undefined || revision === undefined ? undefined : { value, bytes: entry.value, revision, leftMs };
    return { claim, fetched: undefined, candidate };
  }
  if (context.local !== undefined) {
    const life: Life = {
      ttlMs: entry.ttlMs,
      ageMs: entry.ttlMs === Number.POSITIVE_INFINITY ? 0 : Math.max(0, entry.ttlMs - leftMs),
      // Whether the store ends it later than that, the slot does not say.
      mostMs: registration.policy.storeTtlMs === undefined ? Number.POSITIVE_INFINITY : leftMs,
    };
    fillLocal(context, { key, registration, token, value, life, revision });
  }
  if (value === undefined) registration.meters.negativeHits++;
  else registration.meters.sharedHits++;
  return {
    claim,
    fetched: { value, revision, fromStore: false, record: undefined, claim },
    candidate: undefined,
  };
};

/** As `serveSlot`; what the slot holds may be none of ours. */
export const readSlot = (
  fetch: Fetch,
  shared: SharedAccess,
  slot: SharedSlot,
  epoch: string | undefined,
): SharedAnswer => {
  const { context, key } = fetch;
  const claim = { slot, epoch };
  if (slot.bytes === undefined || fetch.forced) return { ...silent, claim };
  try {
    return serveSlot(fetch, claim, slot.bytes);
  } catch (error) {
    // Not understood: what the store says takes its place, or nothing does.
    if (context.settings.onCacheError === "reject") inBackground(context, "drop", key, shared.drop([key]));
    tolerateCacheError(context, error, "get", "shared-cache");
    return { ...silent, claim };
  }
};

const candidateOf = (context: Context, entry: Entry | undefined): Candidate | undefined =>
  entry?.value === undefined || entry.revision === undefined
    ? undefined
    : {
        value: entry.value,
        bytes: undefined,
        revision: entry.revision,
        leftMs: expiryOf(entry) - context.clock.monotonic(),
      };

const adoptUnchanged = (fetch: Fetch, candidate: Candidate, claim: SlotClaim | undefined): Fetched => {
  const { context, key, registration, token } = fetch;
  const { value, revision, bytes, leftMs } = candidate;
  // "Unchanged" does not say when the store's own expiry comes: not before the end of the life that it limited.
  const mostMs = registration.policy.storeTtlMs === undefined ? Number.POSITIVE_INFINITY : leftMs;
  const fill = { key, registration, token, value, revision, life: newLife(context, key, registration, false, mostMs) };
  fillLocal(context, fill);
  if (bytes !== undefined) fillShared(context, fill, bytes, claim);
  registration.meters.suspectsRevalidated++;
  return { value, revision, fromStore: true, record: undefined, claim };
};

/** @param mostMs The longest life that the store's own expiry leaves. */
const adoptRecord = (
  fetch: Fetch,
  record: StoredRecord | undefined,
  claim: SlotClaim | undefined,
  mostMs: number,
): Fetched => {
  const { context, key, registration, token } = fetch;
  if (record?.value === undefined) {
    registration.meters.misses++;
    if (registration.policy.negativeTtlMs > 0) {
      const fill = {
        key,
        registration,
        token,
        value: undefined,
        revision: undefined,
        life: newLife(context, key, registration, true),
      };
      fillLocal(context, fill);
      fillShared(context, fill, undefined, claim);
    } else forget(context, key, token, claim);
    return { value: undefined, revision: record?.revision, fromStore: true, record, claim };
  }
  const { revision } = record;
  const bytes = decodeStored(record.value, key);
  const value = decodeFor(registration, bytes, key);
  const fill = {
    key,
    registration,
    token,
    value,
    revision,
    life: newLife(context, key, registration, false, mostMs),
  };
  // It may be another one before anybody is told: no copy outlives this answer.
  if (record.underIntent === true) forget(context, key, token, claim);
  else {
    fillLocal(context, fill);
    fillShared(context, fill, bytes, claim);
  }
  registration.meters.storeHits++;
  return { value, revision, fromStore: true, record, claim };
};

/**
 * Asks the store, and fills the tiers above with the answer.
 * @param candidate A copy that may be out of date: if the store still has that revision, no bytes move.
 * @throws {WarpError} What the store says; `CORRUPT`.
 */
export const fetchStored = async (
  fetch: Fetch,
  store: StoreAccess,
  claim: SlotClaim | undefined,
  candidate: Candidate | undefined,
): Promise<Fetched> => {
  const { key, registration } = fetch;
  // Where the store lets values expire, one whose life is over cannot be judged by its revision.
  const isJudged = candidate !== undefined && (registration.policy.storeTtlMs === undefined || candidate.leftMs > 0);
  const found = await store.get(key, isJudged ? candidate.revision : undefined);
  if (found === "unchanged") return adoptUnchanged(fetch, candidate as Candidate, claim);
  if (candidate !== undefined) registration.meters.suspectsReplaced++;
  const mostMs = found?.expiresAt === undefined ? Number.POSITIVE_INFINITY : await store.leftUntil(found.expiresAt);
  return adoptRecord(fetch, found, claim, mostMs);
};

/**
 * Asks the shared tier, then the store, and fills the tiers above with the answer. A copy that may be out of date costs
 * one question, "is it still this revision?", and moves no bytes if it is.
 * @throws {WarpError} What the store says; what the shared tier says under `onCacheError: "reject"`; `CORRUPT`.
 */
export const fetchKey = async (fetch: Fetch): Promise<Fetched> => {
  const { context, key } = fetch;
  const { shared } = context;
  let answer = silent;
  // While its breaker is open the tier is not there; under "reject" the refusal is the answer.
  if (shared !== undefined && !isOut(context)) {
    // Before the slot is read: an entry put later must not pass for one of a later epoch.
    const epoch = context.epochs?.trusted;
    let slot: SharedSlot | undefined;
    try {
      slot = await shared.read(key);
    } catch (error) {
      tolerateCacheError(context, error, "get", "shared-cache");
    }
    if (slot !== undefined) answer = readSlot(fetch, shared, slot, epoch);
  }
  return await settleFetch(fetch, answer);
};

/** What comes of a fetch once the shared tier has been asked. @throws {WarpError} What the store says; `CORRUPT`. */
export const settleFetch = async (fetch: Fetch, { claim, fetched, candidate }: SharedAnswer): Promise<Fetched> => {
  const { context, registration, entry } = fetch;
  const { store } = context;
  if (fetched !== undefined) return fetched;
  if (store === undefined) {
    registration.meters.misses++;
    return { value: undefined, revision: undefined, fromStore: false, record: undefined, claim };
  }
  return await fetchStored(fetch, store, claim, candidate ?? candidateOf(context, entry));
};
