import { WarpError } from "../errors.ts";
import type { FillToken } from "../mechanisms/fill-guard.ts";
import type { Registration, RegistrationPolicy } from "../mechanisms/registration.ts";
import type { TtlStrategy } from "../ports/ttl-strategy.ts";
import {
  BareEntry,
  dirtyGeneration,
  type Entry,
  expiryOf,
  isDirty,
  type Revision,
  slowGeneration,
  TrackedEntry,
  trueGeneration,
  uselessFrom,
} from "../values/entry.ts";
import { decodeValue } from "../wire/encode-value.ts";
import { encodeSharedEntry } from "../wire/shared-entry.ts";
import { type Context, type DirtyKeys, inBackground, type SlotClaim } from "./context.ts";

/** What an entry in the local tier is worth to a reader. */
export type Standing = "fresh" | "eager" | "expired" | "suspect";

export const standingOf = (entry: Entry, registration: Registration, now: number): Standing => {
  if (entry.registration !== registration || trueGeneration(entry) < registration.generation) return "suspect";
  if (now < entry.freshUntil) return "fresh";
  return now < expiryOf(entry) ? "eager" : "expired";
};

/** Whether fail-safe may serve an entry that is not fresh. */
export const mayServeStale = (entry: Entry, registration: Registration, now: number): boolean => {
  if (entry.value === undefined || registration.graceMs === 0 || entry.registration !== registration) return false;
  if (now >= uselessFrom(entry)) return false;
  return registration.policy.graceForSuspects || trueGeneration(entry) >= registration.generation;
};

const deepFreeze = (value: unknown): void => {
  if (typeof value !== "object" || value === null || Object.isFrozen(value) || ArrayBuffer.isView(value)) return;
  Object.freeze(value);
  for (const part of Object.values(value)) deepFreeze(part);
};

const uncloneable = (key: string, cause: unknown): WarpError =>
  new WarpError("INVALID_VALUE", "the value cannot be cloned, as this local cache asks for", {
    key,
    port: "local-cache",
    cause,
  });

/** @throws {WarpError} `INVALID_VALUE` for what has no clone. */
const clone = (key: string, value: unknown): unknown => {
  try {
    return structuredClone(value);
  } catch (cause) {
    throw uncloneable(key, cause);
  }
};

/** A value on its way into the local tier. */
export const isolateIn = (context: Context, key: string, value: unknown): unknown => {
  if (context.local?.isolate === "freeze") deepFreeze(value);
  return context.local?.isolate === "clone" ? clone(key, value) : value;
};

/** A value on its way to a caller. */
export const isolateOut = (context: Context, value: unknown): unknown =>
  context.local?.isolate === "clone" ? structuredClone(value) : value;

/** How long a value is to live, and how much of that is over. Milliseconds. */
export interface Life {
  readonly ttlMs: number;
  readonly ageMs: number;
  /** Where something else ends it, also if hits extend it: so much later at most. `Infinity`: nothing does. */
  readonly mostMs: number;
}

/** A strategy that fails takes no call down with it: what it was asked about has happened already. */
export const askStrategy = <T>(context: Context, key: string, ask: () => T): T | undefined => {
  try {
    return ask();
  } catch (error) {
    context.errors.add(error, { operation: "ttl", key });
    return undefined;
  }
};

/** A strategy is not Warp's own: what makes no sense as a life means that the value is not kept. */
export const strategyTtlMs = (context: Context, strategy: TtlStrategy, key: string): number => {
  const ttlMs = askStrategy(context, key, () => strategy.ttl(key));
  if (ttlMs === undefined) return 0;
  // Of NaN too.
  const isLife = ttlMs > 0;
  return isLife ? ttlMs : 0;
};

const lifeOf = (context: Context, { strategy, ttlMs }: RegistrationPolicy, key: string): number =>
  strategy === undefined ? ttlMs : strategyTtlMs(context, strategy, key);

/** A new life by the registration's policy. @param mostMs Where something else ends it earlier. */
export const newLife = (
  context: Context,
  key: string,
  registration: Registration,
  negative: boolean,
  mostMs: number = Number.POSITIVE_INFINITY,
): Life => {
  const { policy } = registration;
  const full = negative ? policy.negativeTtlMs : lifeOf(context, policy, key);
  const ttlMs =
    policy.jitter === 0 || full === Number.POSITIVE_INFINITY
      ? full
      : full * (1 - policy.jitter * context.random.next());
  return { ttlMs: Math.min(ttlMs, mostMs), ageMs: 0, mostMs };
};

export interface Fill {
  readonly key: string;
  readonly registration: Registration;
  readonly token: FillToken;
  /** `undefined` remembers that the key does not exist. */
  readonly value: unknown;
  readonly life: Life;
  readonly revision: Revision | undefined;
}

/**
 * When the life of a value began. Where hits extend it and the store ends it, as if it had been stored there in full:
 * what extends it finds the end from that (`extendLife`).
 */
const beginningOf = (now: number, { sliding, strategy, storeTtlMs }: RegistrationPolicy, life: Life): number => {
  const isExtended = sliding || strategy?.extendsOnHit === true;
  return isExtended && storeTtlMs !== undefined && life.mostMs !== Number.POSITIVE_INFINITY
    ? Math.floor(now + life.mostMs - storeTtlMs)
    : Math.floor(now - life.ageMs);
};

const entryOf = (context: Context, { key, registration, token, value, life, revision }: Fill): Entry => {
  const { policy } = registration;
  const mustBeLookedAt =
    value === undefined ||
    registration.isStrong ||
    policy.sliding ||
    policy.strategy !== undefined ||
    context.local?.isolate === "clone";
  const generation = mustBeLookedAt ? slowGeneration(token.generation) : token.generation;
  const now = context.clock.monotonic();
  const storedAt = beginningOf(now, policy, life);
  // Whole milliseconds are small integers to V8, which costs an entry 16 bytes less than a fraction.
  const freshUntil = Math.floor(now - life.ageMs + life.ttlMs * (1 - registration.eagerShare));
  const isOrdinary =
    revision === undefined &&
    registration.eagerShare === 0 &&
    policy.strategy === undefined &&
    policy.jitter === 0 &&
    life.ageMs === 0;
  const held = isolateIn(context, key, value);
  if (isOrdinary && life.ttlMs === registration.ttlMs) return new BareEntry(held, registration, generation, freshUntil);
  return new TrackedEntry(held, registration, generation, freshUntil, storedAt, revision);
};

/**
 * Puts a value into the local tier, unless something overtook the load (rule 2).
 * @returns Whether the token still stood.
 */
export const fillLocal = (context: Context, fill: Fill): boolean => {
  const { key, registration, token } = fill;
  // A node that bypasses its local tier, or a registration that ended, has a generation that no entry may have.
  const isBarred = token.generation >= dirtyGeneration || registration.ended || context.fences.has(key);
  if (!context.fills.isValid(token) || isBarred) {
    registration.meters.fillsRefused++;
    return false;
  }
  if (context.local === undefined) return true;
  const standing = context.local.get(key);
  if (standing !== undefined && isDirty(standing)) return false;
  if (fill.life.ttlMs > fill.life.ageMs) context.local.set(key, entryOf(context, fill));
  else context.local.delete(key);
  return true;
};

/**
 * The authority says that `key` does not exist, and nothing is to remember that: what the tiers still have of it goes,
 * so that nothing serves it again, fail-safe neither.
 */
export const forget = (context: Context, key: string, token: FillToken, claim: SlotClaim | undefined): void => {
  if (!context.fills.isValid(token)) return;
  const standing = context.local?.get(key);
  if (standing !== undefined && !isDirty(standing)) context.local?.delete(key);
  const { shared } = context;
  if (shared !== undefined && claim?.slot.bytes !== undefined && !isOut(context))
    inBackground(context, "drop", key, shared.drop([key]));
};

const noteGap = (context: Context, key: string): void => {
  const registration = context.versions === undefined ? undefined : context.resolve(key);
  if (registration !== undefined) context.versions?.gap(key, registration, context.clock.now());
};

/** Drops `key` from the local tier and voids the loads under way. A dirty entry stays: it is flushed, then dropped. */
export const dropLocal = (context: Context, key: string): void => {
  context.fills.void(key);
  noteGap(context, key);
  const entry = context.local?.get(key);
  if (entry === undefined) return;
  if (isDirty(entry) && context.dirty !== undefined) dropFlushed(context, context.dirty, key);
  else context.local?.delete(key);
};

/** Drops a dirty key once the store has what it holds now. Who asks meanwhile is served by the same drop, which is later. */
const dropFlushed = (context: Context, dirty: DirtyKeys, key: string): void => {
  if (dirty.toDrop.has(key)) return;
  dirty.toDrop.add(key);
  const dropped = dirty.flushKey(key).then(() => {
    dirty.toDrop.delete(key);
    dropLocal(context, key);
  });
  inBackground(context, "flush", key, dropped);
};

/** As `dropLocal`, where another node made the change: there is nobody to reject to, and the next key is to be dropped too. */
export const dropHeard = (context: Context, key: string): void => {
  try {
    dropLocal(context, key);
  } catch (error) {
    context.errors.add(error, { operation: "drop", key });
  }
};

/** What the local tier holds; nothing if it fails to say. */
export const entriesOf = (context: Context): Iterable<[string, Entry]> => {
  try {
    return context.local?.entries() ?? [];
  } catch (error) {
    context.errors.add(error, { operation: "drop" });
    return [];
  }
};

/** A hundred years. */
export const longestSharedGraceMs: number = 36_525 * 86_400_000;

/** Whether the shared tier is known not to answer, and callers need not hear of it. */
export const isOut = ({ shared, settings }: Context): boolean =>
  shared !== undefined && shared.guard.state !== "closed" && settings.onCacheError === "miss";

/** Puts a value into the shared tier behind the caller's back, where the slot still has the token read before the load. */
export const fillShared = (
  context: Context,
  fill: Fill,
  value: Uint8Array | undefined,
  claim: SlotClaim | undefined,
): void => {
  const { shared } = context;
  const { key, registration, life, revision } = fill;
  if (
    shared === undefined ||
    isOut(context) ||
    claim?.epoch === undefined ||
    life.ttlMs <= 0 ||
    !context.fills.isValid(fill.token) ||
    context.fences.has(key)
  )
    return;
  // With a grace without end nobody could tell from the slot's time left how old the value is.
  const graceMs = Math.min(registration.graceMs, longestSharedGraceMs);
  const bytes = encodeSharedEntry({ value, revision, epoch: claim.epoch, graceMs, ttlMs: life.ttlMs });
  inBackground(context, "fill", key, shared.put({ key, bytes, ttlMs: life.ttlMs + graceMs, token: claim.slot.token }));
};

/** @throws {WarpError} `CORRUPT`. */
export const decodeFor = (registration: Registration, bytes: Uint8Array, key: string): unknown =>
  decodeValue(registration.policy.codec, bytes, key);
