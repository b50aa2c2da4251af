import { WarpError, type WarpErrorCode } from "../errors.ts";
import type { Registration } from "../mechanisms/registration.ts";
import { backoffMs } from "../mechanisms/retry.ts";
import type { StoreAccess } from "../mechanisms/store-access.ts";
import { waitFor } from "../mechanisms/wait.ts";
import type { MergeEngine } from "../ports/merge-engine.ts";
import { delay } from "../values/clock.ts";
import { dirtyGeneration, type Entry, isDirty, type Revision, slowGeneration, TrackedEntry } from "../values/entry.ts";
import { revisionLeft } from "./commit.ts";
import type { Context, DirtyKeys } from "./context.ts";
import { dropElsewhere } from "./shared-changes.ts";
import { fillLocal, isolateIn, newLife, standingOf } from "./tiers.ts";
import { commitLoop, type Known, type Landed } from "./write-run.ts";
import { guess, knownToReplace, mergeFailure, mergeValues, ownCopy, putMutation } from "./write-values.ts";

/** What waits for the store under one key. */
interface DirtyKey {
  readonly registration: Registration;
  /** In order of arrival; one where a later value replaces or absorbs an earlier. */
  incoming: unknown[];
  /** Whether the local value was made without knowing what the store holds. */
  partial: boolean;
  known: Known;
  flush: Promise<void> | undefined;
}

const pauses = { firstMs: 100, longestMs: 5_000 };
const parallelFlushes = 16;

/**
 * The store's side of strong-local writes: they are in the local tier at once and follow to the store behind it,
 * coalesced, in order, and retried until the store takes them. A key is clean, waiting, or being flushed; values that
 * come while it is flushed wait for the next round.
 */
export class WriteBehind implements DirtyKeys {
  readonly toDrop: Set<string> = new Set();
  readonly #context: Context;
  readonly #store: StoreAccess;
  readonly #dirty: Map<string, DirtyKey> = new Map();
  /** Incoming values that wait, over all keys. */
  #waiting = 0;
  readonly #roomFor: Set<() => void> = new Set();
  #flushing = 0;
  #scheduled = false;

  constructor(context: Context, store: StoreAccess) {
    this.#context = context;
    this.#store = store;
  }

  /** Values that the store has not taken. */
  get depth(): number {
    return this.#waiting;
  }

  isPartial(key: string): boolean {
    const dirty = this.#dirty.size > 0 ? this.#dirty.get(key) : undefined;
    if (dirty === undefined) return false;
    if (dirty.partial || dirty.registration !== this.#context.resolve(key)) return true;
    // A local cache that failed, or that let go of what it must not, shows nothing of it.
    const entry = this.#context.local?.get(key);
    return entry === undefined || !isDirty(entry);
  }

  async set(
    key: string,
    registration: Registration,
    value: unknown,
    { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal | undefined },
  ): Promise<unknown> {
    // Whatever the caller does with the object afterwards, the store gets what it was.
    const own = isolateIn(this.#context, key, value);
    const until = this.#context.clock.monotonic() + timeoutMs;
    while (this.#waiting >= this.#context.settings.maxDirty) await this.#room(key, until, signal);
    return this.#accept(key, registration, own);
  }

  async flushKey(key: string): Promise<void> {
    const dirty = this.#dirty.get(key);
    if (dirty === undefined) return;
    if (dirty.flush !== undefined) {
      const next = dirty.incoming.length > 0;
      await dirty.flush;
      if (!next) return;
    }
    if (this.#dirty.get(key) === dirty) await this.#flush(key, dirty);
  }

  async flushAll(of?: Registration): Promise<void> {
    const keys = [...this.#dirty].filter(([, { registration }]) => of === undefined || of === registration);
    for (let from = 0; from < keys.length; from += parallelFlushes) {
      const some = keys.slice(from, from + parallelFlushes);
      await Promise.all(some.map(([key]) => this.flushKey(key)));
    }
  }

  /** Resolves when there may be room. @param until On the monotonic clock. */
  async #room(key: string, until: number, signal: AbortSignal | undefined): Promise<void> {
    const details = { key, operation: "set" };
    const { clock, settings, background } = this.#context;
    let resume = (): void => undefined;
    const room = new Promise<void>((resolve) => {
      resume = resolve;
    });
    this.#roomFor.add(resume);
    const leave = background.add(room);
    try {
      await waitFor(clock, room, { timeoutMs: Math.max(0, until - clock.monotonic()), signal, details });
    } catch (error) {
      throw WarpError.has(error, "DEADLINE_EXCEEDED") ? overloaded(settings.maxDirty, details, error) : error;
    } finally {
      this.#roomFor.delete(resume);
      leave();
      resume();
    }
  }

  #makeRoom(values: number): void {
    this.#waiting -= values;
    for (const resume of this.#roomFor) resume();
  }

  /**
   * Takes a value in: into the local tier, and among those that wait. All of it, or nothing and an error.
   * @returns The new local value.
   */
  #accept(key: string, registration: Registration, value: unknown): unknown {
    const { fills, local } = this.#context;
    const { merge, codec } = registration.policy;
    const entry = local?.get(key);
    const waiting = this.#dirty.get(key);
    const current = entry !== undefined && this.#isKnown(entry, registration) ? entry : undefined;
    const result = mergeValues(registration, key, current?.value, value);
    const reads = merge?.readsCurrent === true;
    const partial = reads && (waiting === undefined ? current === undefined : waiting.partial);
    const accepted = ownCopy(this.#context, codec, key, result);
    const known = guess(this.#context, key, registration);
    const dirty = waiting ?? { registration, incoming: [], partial, known, flush: undefined };
    const replaced = dirty.incoming.length > 0 && (!reads || merge.combine !== undefined);
    const next = reads && replaced ? combined(merge, key, dirty.incoming.at(-1), value) : reads ? value : accepted;
    fills.void(key);
    // First, since it may be refused.
    this.#show(key, dirty, result, entry?.revision);
    if (replaced) dirty.incoming.pop();
    else this.#waiting++;
    dirty.incoming.push(next);
    this.#dirty.set(key, dirty);
    this.#schedule();
    return result;
  }

  /** Puts the local value of a dirty key where readers find it. */
  #show(key: string, { registration, partial }: DirtyKey, value: unknown, revision: Revision | undefined): void {
    const { local, clock } = this.#context;
    // A partial value is completed before it is served, a cloned one is cloned again.
    const generation = partial || local?.isolate === "clone" ? slowGeneration(dirtyGeneration) : dirtyGeneration;
    const now = Math.floor(clock.monotonic());
    local?.set(key, new TrackedEntry(value, registration, generation, Number.POSITIVE_INFINITY, now, revision));
  }

  #isKnown(entry: Entry, registration: Registration): boolean {
    if (isDirty(entry)) return true;
    const standing = standingOf(entry, registration, this.#context.clock.monotonic());
    return standing === "fresh" || standing === "eager";
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#context.clock.schedule(0, () => {
      this.#scheduled = false;
      for (const [key, dirty] of this.#dirty) {
        if (this.#flushing >= parallelFlushes) return;
        if (dirty.flush === undefined) void this.#flush(key, dirty);
      }
    });
  }

  /** Resolves when the round that is under way, or that this begins, has ended. Never rejects. */
  #flush(key: string, dirty: DirtyKey): Promise<void> {
    if (dirty.flush !== undefined) return dirty.flush;
    this.#flushing++;
    const round = this.#flushUntilTaken(key, dirty).finally(() => {
      dirty.flush = undefined;
      this.#flushing--;
      leave();
      if (this.#dirty.size > 0) this.#schedule();
    });
    dirty.flush = round;
    const leave = this.#context.background.add(round);
    return round;
  }

  async #flushUntilTaken(key: string, dirty: DirtyKey): Promise<void> {
    const { clock, random, errors, logger } = this.#context;
    const incoming = dirty.incoming.splice(0);
    for (let attempt = 0; ; attempt++) {
      try {
        await this.#commit(key, dirty, incoming);
        return;
      } catch (error) {
        if (isHopeless(error, dirty.registration)) {
          errors.add(error, { operation: "write-behind", key });
          const reason = { err: error, operation: "write-behind", key };
          logger.error(reason, "a write was given up: sending it again can do no good");
          this.#giveUp(key, dirty, incoming.length);
          return;
        }
        this.#report(key, error);
        await delay(clock, backoffMs(attempt, random, pauses), true);
      }
    }
  }

  #report(key: string, error: unknown): void {
    const { errors, logger } = this.#context;
    errors.add(error, { operation: "write-behind", key });
    logger.warn({ err: error, operation: "write-behind", key }, "the store did not take a write; trying again");
  }

  async #commit(key: string, dirty: DirtyKey, incoming: readonly unknown[]): Promise<void> {
    const { registration } = dirty;
    const merged = (): unknown =>
      incoming.reduce((current, value) => mergeValues(registration, key, current, value), dirty.known.value);
    const onUnsettled = (error: WarpError): void => this.#report(key, error);
    const landed = await commitLoop(this.#context, {
      run: { operation: "write-behind", key, sent: false, cancelled: false, answer: "none", onUnsettled },
      store: this.#store,
      operation: undefined,
      plan: () => {
        const result = merged();
        return { mutations: [putMutation(this.#context, registration, key, dirty.known.revision, result)], result };
      },
      learn: (conflicts) => {
        dirty.known = knownToReplace(registration, key, conflicts.get(key));
      },
    });
    try {
      await dropElsewhere(this.#context, [key], () => this.#taken(key, dirty, incoming.length, landed));
    } catch (error) {
      // The store has the values: they must not be sent again.
      this.#context.errors.add(error, { operation: "write-behind", key });
    }
  }

  /** What no retry can mend is let go; what came meanwhile stands on what the store holds. */
  #giveUp(key: string, dirty: DirtyKey, count: number): void {
    this.#makeRoom(count);
    dirty.known = { revision: undefined, value: undefined };
    const [first, ...later] = dirty.incoming;
    if (first === undefined) {
      this.#dirty.delete(key);
      this.#context.local?.delete(key);
      return;
    }
    dirty.partial = dirty.registration.policy.merge?.readsCurrent === true;
    const shown = later.reduce((current, value) => mergeValues(dirty.registration, key, current, value), first);
    this.#show(key, dirty, shown, undefined);
  }

  /** The store has what this round took there: the entry is clean, or shows what came meanwhile on top of it. */
  #taken(key: string, dirty: DirtyKey, count: number, landed: Landed<unknown>): void {
    const { local, fills } = this.#context;
    const { registration } = dirty;
    const { result } = landed;
    // A read that asked the store before this landed must not put back what it found.
    fills.void(key);
    this.#makeRoom(count);
    const revision = revisionLeft(landed);
    dirty.known = { revision, value: result };
    dirty.partial = false;
    if (dirty.incoming.length > 0) {
      const shown = dirty.incoming.reduce((current, value) => mergeValues(registration, key, current, value), result);
      this.#show(key, dirty, shown, revision);
      return;
    }
    this.#dirty.delete(key);
    local?.delete(key);
    if (revision === undefined) return;
    const token = fills.take(key, registration);
    const life = newLife(this.#context, key, registration, false, registration.policy.storeTtlMs);
    fillLocal(this.#context, { key, registration, token, value: result, life, revision });
    fills.release(token);
  }
}

/** @throws {WarpError} `INVALID_VALUE` if the engine throws. */
const combined = (merge: MergeEngine, key: string, earlier: unknown, later: unknown): unknown => {
  try {
    return merge.combine?.(earlier, later);
  } catch (error) {
    throw mergeFailure(merge.name, key, error);
  }
};

const hopeless: readonly WarpErrorCode[] = ["INVALID_VALUE", "INVALID_ARGUMENT", "CORRUPT", "UNSUPPORTED"];

/** A value that may have been merged already must not be merged again; one that replaces what is there may be sent again. */
const isHopeless = (error: unknown, { policy }: Registration): boolean =>
  WarpError.is(error) &&
  (hopeless.includes(error.code) || (error.code === "OUTCOME_UNKNOWN" && policy.merge?.readsCurrent === true));

const overloaded = (maxDirty: number, details: { key: string; operation: string }, cause: unknown): WarpError =>
  new WarpError("OVERLOADED", `${maxDirty} writes already wait for the store (maxDirty)`, { ...details, cause });
