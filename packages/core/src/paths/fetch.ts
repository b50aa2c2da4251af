import type { FillToken } from "../mechanisms/fill-guard.ts";
import type { Registration } from "../mechanisms/registration.ts";
import type { SharedSlot } from "../ports/shared-cache.ts";
import type { StoredRecord } from "../ports/store.ts";
import type { Entry, Revision } from "../values/entry.ts";
import { decodeSharedEntry } from "../wire/shared-entry.ts";
import { decodeStored } from "../wire/stored-value.ts";
import { type Context, type Fetched, type SlotClaim, tolerateCacheError } from "./context.ts";
import { decodeFor, fillLocal, fillShared, isOut, type Life, newLife } from "./tiers.ts";

/** A value that may be out of date, with the revision to ask about. */
interface Candidate {
  readonly value: unknown;
  /** The codec's bytes, where they are at hand. */
  readonly bytes: Uint8Array | undefined;
  readonly revision: Revision;
}

interface Fetch {
  readonly context: Context;
  readonly key: string;
  readonly registration: Registration;
  readonly token: FillToken;
  /** What the local tier had, of no use by itself. */
  readonly entry: Entry | undefined;
  /** Ask the store whatever the shared tier has. */
  readonly forced: boolean;
}

interface SharedAnswer {
  readonly claim: SlotClaim | undefined;
  /** An answer that needs no other. */
  readonly fetched: Fetched | undefined;
  readonly candidate: Candidate | undefined;
}

const silent: SharedAnswer = { claim: undefined, fetched: undefined, candidate: undefined };

/** What a live slot says, and a copy of it in the local tier. */
const serveSlot = ({ context, key, registration, token }: Fetch, claim: SlotClaim, slot: SharedSlot): SharedAnswer => {
  const entry = decodeSharedEntry(slot.bytes as Uint8Array);
  const value = entry.value === undefined ? undefined : decodeFor(registration, entry.value, key);
  const { revision } = entry;
  const candidate = value === undefined || revision === undefined ? undefined : { value, bytes: entry.value, revision };
  const leftMs = slot.expiresInMs - entry.graceMs;
  if (leftMs <= 0 || entry.epoch === undefined || entry.epoch !== context.epochs?.trusted)
    return { claim, fetched: undefined, candidate };
  const life: Life = {
    ttlMs: entry.ttlMs,
    ageMs: entry.ttlMs === Number.POSITIVE_INFINITY ? 0 : Math.max(0, entry.ttlMs - leftMs),
  };
  fillLocal(context, { key, registration, token, value, life, revision });
  if (value === undefined) registration.meters.negativeHits++;
  else registration.meters.sharedHits++;
  return { claim, fetched: { value: value, revision, record: undefined, claim }, candidate };
};

const askShared = async (fetch: Fetch): Promise<SharedAnswer> => {
  const { context, key } = fetch;
  // While its breaker is open the tier is not there; under "reject" the refusal is the answer.
  if (context.shared === undefined || isOut(context)) return silent;
  // Before the slot is read: an entry put later must not pass for one of a later epoch.
  const epoch = context.epochs?.trusted;
  try {
    const slot = await context.shared.read(key);
    const claim = { token: slot.token, epoch };
    if (slot.bytes === undefined || fetch.forced) return { claim, fetched: undefined, candidate: undefined };
    return serveSlot(fetch, claim, slot);
  } catch (error) {
    tolerateCacheError(context, error, "get", "shared-cache");
    return silent;
  }
};

const candidateOf = (entry: Entry | undefined): Candidate | undefined =>
  entry?.value === undefined || entry.revision === undefined
    ? undefined
    : { value: entry.value, bytes: undefined, revision: entry.revision };

/** The longest life that the store's own expiry leaves. */
const storeLeftMs = (context: Context, record: StoredRecord): number =>
  record.expiresAt === undefined || context.store === undefined
    ? Number.POSITIVE_INFINITY
    : Math.max(0, record.expiresAt - context.store.estimatedNow());

const adoptUnchanged = (fetch: Fetch, candidate: Candidate, claim: SlotClaim | undefined): Fetched => {
  const { context, key, registration, token } = fetch;
  const { value, revision, bytes } = candidate;
  const fill = { key, registration, token, value, revision, life: newLife(context, key, registration, false) };
  fillLocal(context, fill);
  if (bytes !== undefined) fillShared(context, fill, bytes, claim);
  registration.meters.suspectsRevalidated++;
  return { value: value, revision, record: undefined, claim };
};

const adoptRecord = (fetch: Fetch, record: StoredRecord | undefined, claim: SlotClaim | undefined): Fetched => {
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
    }
    return { value: undefined, revision: record?.revision, record, claim };
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
    life: newLife(context, key, registration, false, storeLeftMs(context, record)),
  };
  fillLocal(context, fill);
  fillShared(context, fill, bytes, claim);
  registration.meters.storeHits++;
  return { value: value, revision, record, claim };
};

/**
 * Asks the shared tier, then the store, and fills the tiers above with the answer. A copy that may be out of date costs
 * one question, "is it still this revision?", and moves no bytes if it is.
 * @throws {WarpError} What the store says; what the shared tier says under `onCacheError: "reject"`; `CORRUPT`.
 */
export const fetchKey = async (fetch: Fetch): Promise<Fetched> => {
  const { context, key, registration, entry } = fetch;
  const { claim, fetched, candidate: sharedCandidate } = await askShared(fetch);
  if (fetched !== undefined) return fetched;
  if (context.store === undefined) {
    registration.meters.misses++;
    return { value: undefined, revision: undefined, record: undefined, claim };
  }
  const candidate = sharedCandidate ?? candidateOf(entry);
  const found = await context.store.get(key, candidate?.revision);
  if (found === "unchanged") return adoptUnchanged(fetch, candidate as Candidate, claim);
  if (candidate !== undefined) registration.meters.suspectsReplaced++;
  return adoptRecord(fetch, found, claim);
};
