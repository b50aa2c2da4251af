import { WarpError, type WarpErrorCode } from "../errors.ts";
import type { Registration } from "../mechanisms/registration.ts";
import { backoffMs } from "../mechanisms/retry.ts";
import type { StoreAccess } from "../mechanisms/store-access.ts";
import { waitFor } from "../mechanisms/wait.ts";
import { delay } from "../values/clock.ts";
import { dirtyGeneration, type Entry, isDirty, slowGeneration, TrackedEntry } from "../values/entry.ts";
import { encodeValue } from "../wire/encode-value.ts";
import type { Context, DirtyKeys } from "./context.ts";
import { dropElsewhere, standingOf } from "./tiers.ts";

import { commitLoop, type Known, type Landed } from "./write-run.ts";
import { knownFrom, mergeValues, putMutation } from "./write-values.ts";

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
  readonly #context: Context;
  readonly #store: StoreAccess;
  readonly #dirty: Map<string, DirtyKey> = new Map();
  /** Incoming values that wait, over all keys. */
  #waiting = 0;
  readonly #roomFor: (() => void)[] = [];
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
    return this.#dirty.size > 0 && this.#dirty.get(key)?.partial === true;
  }

  async set(
    key: string,
    registration: Registration,
    value: unknown,
    { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal | undefined },
  ): Promise<unknown> {
    if (this.#waiting >= this.#context.settings.maxDirty) await this.#room(key, timeoutMs, signal);
    const result = this.#show(key, registration, value);
    this.#queue(key, registration, value, result);
    return result;
  }

  async flushKey(key: string): Promise<void> {
    for (let dirty = this.#dirty.get(key); dirty !== undefined; dirty = this.#dirty.get(key))
      await this.#flush(key, dirty);
  }

  async flushAll(): Promise<void> {
    while (this.#dirty.size > 0) {
      const some = [...this.#dirty.keys()].slice(0, parallelFlushes);
      await Promise.all(some.map((key) => this.flushKey(key)));
    }
  }

  async #room(key: string, timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    const details = { key, operation: "set" };
    const { clock, settings } = this.#context;
    const room = (async () => {
      while (this.#waiting >= settings.maxDirty) await new Promise<void>((resolve) => this.#roomFor.push(resolve));
    })();
    try {
      await waitFor(clock, room, { timeoutMs, signal, details });
    } catch (error) {
      throw WarpError.has(error, "DEADLINE_EXCEEDED") ? overloaded(settings.maxDirty, details, error) : error;
    }
  }

  /** The new local value, and the entry that shows it. */
  #show(key: string, registration: Registration, value: unknown): unknown {
    const { fills, local, clock } = this.#context;
    const entry = this.#context.local?.get(key);
    const waiting = this.#dirty.get(key);
    const current = entry !== undefined && this.#isKnown(entry, registration) ? entry : undefined;
    const result = mergeValues(registration, key, current?.value, value);
    const partial =
      registration.policy.merge?.readsCurrent === true &&
      (waiting === undefined ? current === undefined : waiting.partial);
    // Before anything has changed.
    encodeValue(registration.policy.codec, result, key);
    fills.void(key);
    const mustBeLookedAt = partial || local?.isolate === "clone";
    const generation = mustBeLookedAt ? slowGeneration(dirtyGeneration) : dirtyGeneration;
    local?.set(
      key,
      new TrackedEntry(
        result,
        registration,
        generation,
        Number.POSITIVE_INFINITY,
        Math.floor(clock.monotonic()),
        entry?.revision,
      ),
    );
    if (waiting === undefined) {
      const known = { revision: entry?.revision, value: entry?.revision === undefined ? undefined : entry.value };
      this.#dirty.set(key, { registration, incoming: [], partial, known, flush: undefined });
    }
    return result;
  }

  #isKnown(entry: Entry, registration: Registration): boolean {
    if (isDirty(entry)) return true;
    const standing = standingOf(entry, registration, this.#context.clock.monotonic());
    return standing === "fresh" || standing === "eager";
  }

  #queue(key: string, registration: Registration, value: unknown, result: unknown): void {
    const dirty = this.#dirty.get(key) as DirtyKey;
    const { merge } = registration.policy;
    const last = dirty.incoming[dirty.incoming.length - 1];
    const replaces = merge?.readsCurrent !== true;
    if (dirty.incoming.length > 0 && (replaces || merge.combine !== undefined)) {
      dirty.incoming[dirty.incoming.length - 1] = replaces ? result : merge.combine?.(last, value);
    } else {
      dirty.incoming.push(replaces ? result : value);
      this.#waiting++;
    }
    this.#schedule();
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
      this.#context.background.delete(round);
      if (this.#dirty.size > 0) this.#schedule();
    });
    dirty.flush = round;
    this.#context.background.add(round);
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
        errors.add(error, { operation: "write-behind", key });
        if (isHopeless(error)) {
          logger.error(
            { err: error, operation: "write-behind", key },
            "a write was given up: the store can never take it",
          );
          this.#giveUp(key, dirty, incoming.length);
          return;
        }
        logger.warn({ err: error, operation: "write-behind", key }, "the store did not take a write; trying again");
        await delay(clock, backoffMs(attempt, random, pauses), true);
      }
    }
  }

  async #commit(key: string, dirty: DirtyKey, incoming: readonly unknown[]): Promise<void> {
    const { registration } = dirty;
    const merged = (): unknown =>
      incoming.reduce((current, value) => mergeValues(registration, key, current, value), dirty.known.value);
    const landed = await commitLoop(this.#context, {
      run: { operation: "write-behind", sent: false, cancelled: false },
      store: this.#store,
      operation: undefined,
      plan: () => {
        const result = merged();
        return { mutations: [putMutation(this.#context, registration, key, dirty.known.revision, result)], result };
      },
      learn: (conflicts) => {
        dirty.known = knownFrom(registration, key, conflicts.get(key));
      },
    });
    try {
      await dropElsewhere(this.#context, [key], () => this.#taken(key, dirty, incoming.length, landed));
    } catch (error) {
      // The store has the values: they must not be sent again.
      this.#context.errors.add(error, { operation: "write-behind", key });
    }
  }

  /** What no retry can mend is let go, and with it what came on top: the next read asks the store. */
  #giveUp(key: string, dirty: DirtyKey, count: number): void {
    this.#waiting -= count + dirty.incoming.length;
    dirty.incoming = [];
    this.#dirty.delete(key);
    this.#context.local?.delete(key);
    for (const resume of this.#roomFor.splice(0)) resume();
  }

  /** The store has what this round took there: the entry is clean, or shows what came meanwhile on top of it. */
  #taken(key: string, dirty: DirtyKey, count: number, { result, records, operation }: Landed<unknown>): void {
    const { local, clock, fills } = this.#context;
    const { registration } = dirty;
    // A read that asked the store before this landed must not put back what it found.
    fills.void(key);
    this.#waiting -= count;
    for (const resume of this.#roomFor.splice(0)) resume();
    const revision = records[0]?.revision === operation ? operation : undefined;
    dirty.known = { revision, value: result };
    dirty.partial = false;
    const now = Math.floor(clock.monotonic());
    if (dirty.incoming.length > 0) {
      const shown = dirty.incoming.reduce((current, value) => mergeValues(registration, key, current, value), result);
      local?.set(key, new TrackedEntry(shown, registration, dirtyGeneration, Number.POSITIVE_INFINITY, now, revision));
      return;
    }
    this.#dirty.delete(key);
    if (registration.ended || revision === undefined) local?.delete(key);
    else
      local?.set(
        key,
        new TrackedEntry(result, registration, registration.generation, now + registration.ttlMs, now, revision),
      );
  }
}

const hopeless: readonly WarpErrorCode[] = ["INVALID_VALUE", "INVALID_ARGUMENT", "CORRUPT", "UNSUPPORTED"];

const isHopeless = (error: unknown): boolean => WarpError.is(error) && hopeless.includes(error.code);

const overloaded = (maxDirty: number, details: { key: string; operation: string }, cause: unknown): WarpError =>
  new WarpError("OVERLOADED", `${maxDirty} writes already wait for the store (maxDirty)`, { ...details, cause });
