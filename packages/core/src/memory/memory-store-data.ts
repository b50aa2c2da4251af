import { WarpError } from "../errors.ts";
import { type HistoryRetention, rememberedOperations, type StoredRecord } from "../ports/store.ts";
import type { OperationId } from "../values/entry.ts";
import { nextTimestamp } from "../values/timestamp.ts";

/** One write as it reaches the data: dated here, and no longer refusable. */
export interface StoreWrite {
  /** `undefined` leaves a tombstone. The bytes become the store's. */
  readonly value: Uint8Array | undefined;
  readonly operation: OperationId;
  /** Who wrote it, for the timestamp. */
  readonly node: string;
  readonly ttlMs: number | undefined;
  readonly history: HistoryRetention | undefined;
}

interface FormerVersion {
  readonly record: StoredRecord;
  /** When it was superseded: it stood in [record.committedAt, until). */
  readonly until: number;
}

interface Slot {
  current: StoredRecord;
  /** The bytes of an expired `current` were let go: what it held before its expiry is not known any more. */
  released: boolean;
  /** Oldest first; not without gaps, since a write may ask that what it supersedes is not kept. */
  readonly past: FormerVersion[];
  /** As the last write that wanted history asked. */
  retention: HistoryRetention | undefined;
  /** Commit time of the first version: before it there was no record. */
  readonly createdAt: number;
}

/** Whether the record's value has expired at `at`. */
export const isExpired = ({ expiresAt }: StoredRecord, at: number): boolean =>
  expiresAt !== undefined && expiresAt <= at;

/** From when on the record holds no value, by deletion or expiry; `Infinity` for never. */
const goneFrom = ({ value, expiresAt, committedAt }: StoredRecord): number =>
  expiresAt ?? (value === undefined ? committedAt : Number.POSITIVE_INFINITY);

const unavailable = (key: string, at: number): WarpError =>
  new WarpError("HISTORY_UNAVAILABLE", `the version of "${key}" at ${at} ms is no longer kept`, { key, port: "store" });

/**
 * What a `MemoryStore` holds. Several stores given the same data are connections to one backend; they should share a
 * clock too, the backend's. Every method is one synchronous step, so commits are serial.
 */
export class MemoryStoreData {
  readonly #slots = new Map<string, Slot>();
  readonly #watchers = new Set<(key: string) => void>();
  #cursor: IterableIterator<[string, Slot]> | undefined;
  // The latest dates among the records that were removed for good: a key that comes back must not be dated before them.
  #removedMicros = Number.NEGATIVE_INFINITY;
  #removedAt = Number.NEGATIVE_INFINITY;

  /** How many keys have a record, tombstones too. */
  get size(): number {
    return this.#slots.size;
  }

  /** The record itself, expired or not: its bytes are the store's. */
  current(key: string): StoredRecord | undefined {
    return this.#slots.get(key)?.current;
  }

  /** Every key with its record; safe against changes while it is walked. */
  *records(): IterableIterator<[string, StoredRecord]> {
    for (const [key, { current }] of this.#slots) yield [key, current];
  }

  /** Dates the write above what stands, keeps what it supersedes as asked, and resolves what the key now holds. */
  write(key: string, { value, operation, node, ttlMs, history }: StoreWrite, nowMs: number): StoredRecord {
    const slot = this.#slots.get(key);
    const before = slot?.current;
    const committedAt = Math.max(nowMs, before?.committedAt ?? this.#removedAt);
    const current: StoredRecord = {
      value,
      revision: operation,
      timestamp: nextTimestamp(nowMs, node, before?.timestamp ?? { micros: this.#removedMicros, node: "" }),
      committedAt,
      operations: [operation, ...(before?.operations ?? []).slice(0, rememberedOperations - 1)],
      expiresAt: ttlMs === undefined || ttlMs === Number.POSITIVE_INFINITY ? undefined : committedAt + ttlMs,
    };
    if (slot === undefined) {
      this.#slots.set(key, { current, released: false, past: [], retention: history, createdAt: committedAt });
      return current;
    }
    if (history !== undefined && !slot.released) slot.past.push({ record: slot.current, until: committedAt });
    slot.retention = history ?? slot.retention;
    slot.current = current;
    slot.released = false;
    this.#prune(slot, nowMs);
    return current;
  }

  /** What the last write that wanted history asked for: foreign writers ask for nothing themselves. */
  retention(key: string): HistoryRetention | undefined {
    return this.#slots.get(key)?.retention;
  }

  /** The record that stood at `at`. @throws {WarpError} `HISTORY_UNAVAILABLE` if it is no longer kept. */
  at(key: string, at: number, nowMs: number): StoredRecord | undefined {
    const slot = this.#slots.get(key);
    if (slot !== undefined) {
      this.#prune(slot, nowMs);
      if (at >= slot.current.committedAt) {
        if (slot.released && !isExpired(slot.current, at)) throw unavailable(key, at);
        return slot.current;
      }
      const former = slot.past.findLast(({ record, until }) => record.committedAt <= at && at < until);
      if (former !== undefined) return former.record;
      if (at >= slot.createdAt) throw unavailable(key, at);
    }
    // Nothing is known of a time when a record of this key may have been removed for good.
    if (at < this.#removedAt) throw unavailable(key, at);
    return undefined;
  }

  /**
   * Looks at up to `limit` keys, going round: lets go of the bytes of expired values, of versions past their
   * retention, and of records that have held nothing for `tombstoneRetentionMs`. Resolves how many records went.
   */
  sweep(nowMs: number, tombstoneRetentionMs: number, limit: number): number {
    let removed = 0;
    for (let looked = 0; looked < limit; looked++) {
      this.#cursor ??= this.#slots.entries();
      const next = this.#cursor.next();
      if (next.done === true) {
        this.#cursor = undefined;
        continue;
      }
      const [key, slot] = next.value;
      this.#prune(slot, nowMs);
      this.#release(slot, nowMs);
      const over = goneFrom(slot.current) + tombstoneRetentionMs <= nowMs;
      const empty = slot.past.length === 0 && slot.current.value === undefined;
      if (!over || !empty) continue;
      this.#slots.delete(key);
      this.#removedMicros = Math.max(this.#removedMicros, slot.current.timestamp.micros);
      this.#removedAt = Math.max(this.#removedAt, slot.current.committedAt);
      removed++;
    }
    return removed;
  }

  /** Told of changes that no Warp node made. */
  watch(watcher: (key: string) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Tells every watcher. */
  announce(key: string): void {
    for (const watcher of [...this.#watchers]) watcher(key);
  }

  #prune({ past, retention }: Slot, nowMs: number): void {
    const { versions = Number.POSITIVE_INFINITY, maxAgeMs = Number.POSITIVE_INFINITY } = retention ?? {};
    const young = past.findIndex(({ until }) => until + maxAgeMs > nowMs);
    const tooOld = young < 0 ? past.length : young;
    past.splice(0, Math.max(tooOld, past.length - versions));
  }

  #release(slot: Slot, nowMs: number): void {
    const { current, retention } = slot;
    if (current.value === undefined || !isExpired(current, nowMs)) return;
    const keptMs = retention === undefined ? 0 : (retention.maxAgeMs ?? Number.POSITIVE_INFINITY);
    if (goneFrom(current) + keptMs > nowMs) return;
    slot.current = { ...current, value: undefined };
    slot.released = true;
  }
}
