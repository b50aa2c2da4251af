/** The token of a store for conditional writes: unique for ever along a key, never reused. */
export type Revision = string;

/** 128 random bits, new for each attempt to commit. */
export type OperationId = string;

/**
 * What an entry needs of the registration it belongs to. One object per registered pattern, shared by all its entries,
 * so that one assignment can rule out every one of them.
 */
export interface EntryOwner {
  /** Entries with a lower generation are suspect. Even, never negative; grows by `generationStep`. */
  generation: number;
  /** Hits served without the slow path. */
  hits: number;
  /** How long after its expiry an entry may still be of use (fail-safe), in milliseconds. */
  readonly graceMs: number;
  /** The share of its life, at the end, in which an entry is refreshed ahead of expiry: 0 for none, below 1. */
  readonly eagerShare: number;
  /** The ordinary life of an entry, in milliseconds: what a `BareEntry` was given. */
  readonly ttlMs: number;
}

/** Generations are even: the lowest bit of an entry's generation is its visited mark (see `markVisited`). */
export const generationStep = 2;

/** No entry is fresh for a registration of this generation: it was unregistered, or the node is closed. */
export const largestGeneration: number = 2 ** 30;

/** The generation of a dirty entry: newer than any suspicion, older than the end of its registration. */
export const dirtyGeneration: number = largestGeneration - generationStep;

/**
 * The generation of an entry that must always take the slow path, since more than its value has to be looked at:
 * negative, so that no hit is served from it, and the true one can still be told from it.
 */
export const slowGeneration = (generation: number): number => -2 - generation;

/**
 * What the local tier holds for a key. `value` is `undefined` for a key known not to exist. Times are milliseconds of
 * the node's monotonic clock. An entry is replaced, never edited, but for `generation`'s visited mark and, with a
 * sliding TTL, `freshUntil`.
 */
export interface Entry {
  readonly value: unknown;
  readonly registration: EntryOwner;
  /** The registration's when the fill that made this entry began; its lowest bit is the visited mark. */
  generation: number;
  /** Earliest of expiry and eager refresh. */
  freshUntil: number;
  /** When the life of the value began; `undefined`: `registration.ttlMs` before `freshUntil`. */
  readonly storedAt: number | undefined;
  readonly revision: Revision | undefined;
}

/** An entry that holds all it knows in four fields, for values that no store dates. */
export class BareEntry implements Entry {
  readonly value: unknown;
  readonly registration: EntryOwner;
  generation: number;
  freshUntil: number;

  constructor(value: unknown, registration: EntryOwner, generation: number, freshUntil: number) {
    this.value = value;
    this.registration = registration;
    this.generation = generation;
    this.freshUntil = freshUntil;
  }

  get storedAt(): undefined {
    return undefined;
  }

  get revision(): undefined {
    return undefined;
  }
}

/** An entry with a revision to revalidate by, or with a life of its own. */
export class TrackedEntry implements Entry {
  readonly value: unknown;
  readonly registration: EntryOwner;
  generation: number;
  freshUntil: number;
  readonly storedAt: number;
  readonly revision: Revision | undefined;

  constructor(
    value: unknown,
    registration: EntryOwner,
    generation: number,
    freshUntil: number,
    storedAt: number,
    revision: Revision | undefined,
  ) {
    this.value = value;
    this.registration = registration;
    this.generation = generation;
    this.freshUntil = freshUntil;
    this.storedAt = storedAt;
    this.revision = revision;
  }
}

/** The generation that an entry's fill token had, without marks. */
export const trueGeneration = (entry: Entry): number => {
  const generation = entry.generation & -2;
  return generation < 0 ? -2 - generation : generation;
};

/** A dirty entry holds a write that the store has not taken: no cache may let go of it. */
export const isDirty = (entry: Entry): boolean => trueGeneration(entry) >= dirtyGeneration;

/** For eviction (SIEVE): the entry was read since the hand passed. */
export const isVisited = (entry: Entry): boolean => (entry.generation & 1) === 1;

/** Sets the visited mark. Generations compare the same with and without it. */
export const markVisited = (entry: Entry): void => {
  // Most hits find it set: a line of the cache that is not written to need not be written back.
  if ((entry.generation & 1) === 0) entry.generation |= 1;
};

export const clearVisited = (entry: Entry): void => {
  entry.generation &= -2;
};

/** When the value's life ends, on the monotonic clock. Not before `freshUntil`. */
export const expiryOf = (entry: Entry): number => {
  const { storedAt, freshUntil, registration } = entry;
  if (registration.eagerShare === 0 || storedAt === undefined || freshUntil === Number.POSITIVE_INFINITY)
    return freshUntil;
  return storedAt + (freshUntil - storedAt) / (1 - registration.eagerShare);
};

/** From when on the entry is of no use at all, not even to fail-safe: a cache may let go of it. */
export const uselessFrom = (entry: Entry): number => expiryOf(entry) + entry.registration.graceMs;
