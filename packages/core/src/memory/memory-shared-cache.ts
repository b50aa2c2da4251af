import type { CallOptions } from "../ports/call-options.ts";
import type { SharedCache, SharedPut, SharedSlot, SlotToken } from "../ports/shared-cache.ts";
import { type Cancel, type Clock, systemClock } from "../values/clock.ts";
import { wholeNumber } from "../values/invalid.ts";
import { type Random, systemRandom } from "../values/random.ts";
import { copyOf, inStages, type Pause } from "./pause.ts";

export interface MemorySharedCacheOptions {
  /** The tier's clock, for expiries: the same for all that share `data`. Default: the machine's. */
  readonly clock?: Clock | undefined;
  /** For tokens. Default: the machine's. */
  readonly random?: Random | undefined;
  /** Slots held, empty ones with a token too; the oldest is forgotten for a new one. Default 100 000. */
  readonly maxEntries?: number | undefined;
  /** Latency, lost requests and lost replies. Default: none. */
  readonly pause?: Pause | undefined;
  /** What is held, to be shared by several caches: connections to one tier. Default: new and empty. */
  readonly data?: MemorySharedCacheData | undefined;
}

/** One slot of a `MemorySharedCache`. */
export interface MemorySharedSlot {
  readonly token: SlotToken;
  /** `undefined` for an empty slot with a token. */
  readonly bytes: Uint8Array | undefined;
  /** By the tier's monotonic clock, in milliseconds. */
  expiresAt: number;
}

/** What a `MemorySharedCache` holds: slots, oldest put first, and the epoch. */
export class MemorySharedCacheData {
  /** By key, in the order they were put. */
  slots: Map<string, MemorySharedSlot> = new Map();
  /** The tier's epoch: see `SharedCache.epoch`. */
  epoch: string | undefined;

  /** Forgets everything, as a server does that restarts with nothing on disk. */
  clear(): void {
    this.slots.clear();
    this.epoch = undefined;
  }

  /** Remembers this state. The returned function brings it back: what a failover to a lagging replica does. */
  snapshot(): () => void {
    const slots = new Map(this.slots);
    const { epoch } = this;
    return () => {
      this.slots = new Map(slots);
      this.epoch = epoch;
    };
  }
}

/**
 * A shared tier for the nodes of one process: the reference for every other. Each call is one synchronous step;
 * bytes are copied in and out. Bounded by `maxEntries`. Ignores `CallOptions`.
 */
export class MemorySharedCache implements SharedCache {
  readonly portVersion = 1;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #maxEntries: number;
  readonly #pause: Pause | undefined;
  readonly #data: MemorySharedCacheData;
  readonly #listeners = new Set<() => void>();
  #connected = true;

  /** @throws {WarpError} `INVALID_ARGUMENT` naming the option. */
  constructor(options: MemorySharedCacheOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    this.#maxEntries = wholeNumber("maxEntries", options.maxEntries ?? 100_000, 1);
    this.#pause = options.pause;
    this.#data = options.data ?? new MemorySharedCacheData();
  }

  async read(keys: readonly string[], reserveMs: number, _options?: CallOptions): Promise<readonly SharedSlot[]> {
    const asked = [...keys];
    return this.#call(() => {
      const now = this.#clock.monotonic();
      return asked.map((key) => this.#readOne(key, reserveMs, now));
    });
  }

  async put(puts: readonly SharedPut[], _options?: CallOptions): Promise<readonly boolean[]> {
    const own = puts.map((put) => ({ ...put, bytes: copyOf(put.bytes) }));
    return this.#call(() => {
      const now = this.#clock.monotonic();
      return own.map((put) => this.#putOne(put, now));
    });
  }

  async drop(keys: readonly string[], _options?: CallOptions): Promise<void> {
    const asked = [...keys];
    return this.#call(() => {
      for (const key of asked) this.#data.slots.delete(key);
    });
  }

  async epoch(
    replace?: { readonly expected: string | undefined; readonly next: string },
    _options?: CallOptions,
  ): Promise<string | undefined> {
    return this.#call(() => {
      if (replace !== undefined && this.#data.epoch === replace.expected) this.#data.epoch = replace.next;
      return this.#data.epoch;
    });
  }

  onRollback(listener: () => void): Cancel {
    // Wrapped, so that a function given twice is two listeners.
    const own = (): void => listener();
    this.#listeners.add(own);
    return () => {
      this.#listeners.delete(own);
    };
  }

  /** Cuts this connection: calls reject, also those whose answer is on its way. The data stays. */
  disconnect(): void {
    this.#connected = false;
  }

  /** Restores the connection and reports a possible rollback: the other side may be another server now. */
  reconnect(): void {
    this.#connected = true;
    for (const listener of [...this.#listeners]) listener();
  }

  async #call<T>(effect: () => T): Promise<T> {
    const result = await inStages(this.#pause, () => {
      this.#requireConnection();
      return effect();
    });
    this.#requireConnection();
    return result;
  }

  #requireConnection(): void {
    if (!this.#connected) throw new Error("the shared cache is disconnected");
  }

  #standing(key: string, now: number): MemorySharedSlot | undefined {
    const slot = this.#data.slots.get(key);
    if (slot === undefined || slot.expiresAt > now) return slot;
    this.#data.slots.delete(key);
    return undefined;
  }

  #readOne(key: string, reserveMs: number, now: number): SharedSlot {
    const slot = this.#standing(key, now);
    if (slot?.bytes !== undefined)
      return { token: slot.token, bytes: copyOf(slot.bytes), expiresInMs: slot.expiresAt - now };
    if (slot === undefined) {
      const token = this.#random.id();
      this.#place(key, { token, bytes: undefined, expiresAt: now + reserveMs });
      return { token, bytes: undefined, expiresInMs: 0 };
    }
    // Whoever joins a token may count on it as long as whoever left it.
    slot.expiresAt = Math.max(slot.expiresAt, now + reserveMs);
    return { token: slot.token, bytes: undefined, expiresInMs: 0 };
  }

  #putOne({ key, bytes, ttlMs, token }: SharedPut, now: number): boolean {
    if (token !== undefined && this.#standing(key, now)?.token !== token) return false;
    this.#place(key, { token: this.#random.id(), bytes, expiresAt: now + ttlMs });
    return true;
  }

  #place(key: string, slot: MemorySharedSlot): void {
    const { slots } = this.#data;
    // Deleted first, so that the map's order is the order of age.
    slots.delete(key);
    slots.set(key, slot);
    for (const oldest of slots.keys()) {
      if (slots.size <= this.#maxEntries) break;
      slots.delete(oldest);
    }
  }
}
