import type { Registration } from "./mechanisms/registration.ts";
import type { Context } from "./paths/context.ts";
import { type Entry, expiryOf, isDirty, trueGeneration } from "./values/entry.ts";
import { decodeSharedEntry } from "./wire/shared-entry.ts";

/** What the caches hold for a key, and what it is worth. For people: nothing is loaded, filled or counted. */
export interface Inspection {
  readonly key: string;
  /** The registration that the key belongs to. */
  readonly pattern: string;
  readonly mode: string;
  /** The nearest tier that holds something for the key, whatever it is worth. */
  readonly tier: "local" | "shared" | undefined;
  /** Whether it says that the key does not exist. */
  readonly negative: boolean;
  /** Since the value's life began, in milliseconds; `undefined` where that is not known. */
  readonly ageMs: number | undefined;
  /** Until it expires, in milliseconds; below 0 once it has. */
  readonly leftMs: number | undefined;
  readonly revision: string | undefined;
  /** Whether it will be asked about before it is served. */
  readonly suspect: boolean;
  /** Whether the store has not taken it yet. */
  readonly dirty: boolean;
}

const nothing = {
  tier: undefined,
  negative: false,
  ageMs: undefined,
  leftMs: undefined,
  revision: undefined,
  suspect: false,
  dirty: false,
};

/** Where a life has no end, or its beginning was given up, its age is not known. */
const ageOf = (ageMs: number): number | undefined =>
  ageMs >= 0 && ageMs < Number.POSITIVE_INFINITY ? ageMs : undefined;

const local = (
  context: Context,
  registration: Registration,
  entry: Entry,
): Omit<Inspection, "key" | "pattern" | "mode"> => {
  const now = context.clock.monotonic();
  const dirty = isDirty(entry);
  return {
    tier: "local",
    negative: entry.value === undefined,
    ageMs: ageOf(now - (entry.storedAt ?? entry.freshUntil - registration.ttlMs)),
    leftMs: expiryOf(entry) - now,
    revision: entry.revision,
    suspect:
      registration.isStrong ||
      (!dirty && (entry.registration !== registration || trueGeneration(entry) < registration.generation)),
    dirty,
  };
};

const shared = async (context: Context, key: string): Promise<Omit<Inspection, "key" | "pattern" | "mode">> => {
  const access = context.shared;
  const [slot] =
    access === undefined
      ? []
      : await access.guard.call({ operation: "inspect", key }, (call) => access.cache.read([key], 0, call));
  if (slot?.bytes === undefined) return nothing;
  const entry = decodeSharedEntry(slot.bytes);
  const leftMs = slot.expiresInMs === Number.POSITIVE_INFINITY ? slot.expiresInMs : slot.expiresInMs - entry.graceMs;
  return {
    tier: "shared",
    negative: entry.value === undefined,
    ageMs: ageOf(entry.ttlMs - leftMs),
    leftMs,
    revision: entry.revision,
    suspect: entry.epoch === undefined || entry.epoch !== context.epochs?.trusted,
    dirty: false,
  };
};

/** @throws {WarpError} `UNAVAILABLE`, `DEADLINE_EXCEEDED` if only the shared tier could say and does not; `CORRUPT`. */
export const inspectKey = async (context: Context, registration: Registration, key: string): Promise<Inspection> => {
  const { pattern, mode } = registration.policy;
  const entry = context.local?.get(key);
  const found = entry === undefined ? await shared(context, key) : local(context, registration, entry);
  return { key, pattern, mode, ...found };
};
