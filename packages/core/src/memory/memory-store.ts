import type { CallOptions } from "../ports/call-options.ts";
import type { ChangeFeed, ChangeListener } from "../ports/change-feed.ts";
import type { History } from "../ports/history.ts";
import { type CommitAnswer, conflictError, type Mutation, type Store, type StoredRecord } from "../ports/store.ts";
import { type Clock, systemClock } from "../values/clock.ts";
import type { OperationId, Revision } from "../values/entry.ts";
import { requireMs } from "../values/invalid.ts";
import { type Random, systemRandom } from "../values/random.ts";
import { isExpired, MemoryStoreData } from "./memory-store-data.ts";
import { copyOf, inStages, type Pause } from "./pause.ts";

export interface MemoryStoreOptions {
  /** The store's clock: dates and expiries. Default: the machine's. */
  readonly clock?: Clock | undefined;
  /** For the revisions of foreign writes. Default: the machine's. */
  readonly random?: Random | undefined;
  /** See `Store.landsWithinMs`; what `pause` can add to a request. Default 0. */
  readonly landsWithinMs?: number | undefined;
  /** Latency, lost requests and lost replies. Default: none. */
  readonly pause?: Pause | undefined;
  /** What is stored, to be shared by several stores: connections to one backend. Default: new and empty. */
  readonly data?: MemoryStoreData | undefined;
  /**
   * How long a deleted or expired key keeps its tombstone, in milliseconds. Default 24 hours. Well above
   * `landsWithinMs`: a commit that expects no record must not land again where its own was removed.
   */
  readonly tombstoneRetentionMs?: number | undefined;
}

const day = 86_400_000;

// More than one key per write, so that the sweep overtakes any rate of writing; few enough to cost a write nothing.
const sweptPerWrite = 16;

const keysPerReply = 256;

const answer = (record: StoredRecord, at: number): StoredRecord => ({
  ...record,
  value: record.value === undefined || isExpired(record, at) ? undefined : copyOf(record.value),
});

/**
 * A store in this process: the reference for every other, and the authority of simulations and tests. Nothing
 * survives the process. Commits are serial and atomic; bytes are copied in and out. Memory holds what is stored, its
 * history as asked, and tombstones for a day: a few keys are swept at each write. Ignores `CallOptions`.
 */
export class MemoryStore implements Store, History, ChangeFeed {
  readonly portVersion = 1;
  readonly atomicBatch = true;
  readonly conditionalDelete = true;
  readonly landsWithinMs: number;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #pause: Pause | undefined;
  readonly #data: MemoryStoreData;
  readonly #tombstoneRetentionMs: number;

  /** @throws {WarpError} `INVALID_ARGUMENT` naming the option. */
  constructor(options: MemoryStoreOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    this.landsWithinMs = requireMs("landsWithinMs", options.landsWithinMs ?? 0);
    this.#pause = options.pause;
    this.#data = options.data ?? new MemoryStoreData();
    this.#tombstoneRetentionMs = requireMs("tombstoneRetentionMs", options.tombstoneRetentionMs ?? day);
  }

  async get(key: string, unless?: Revision, _options?: CallOptions): Promise<StoredRecord | "unchanged" | undefined> {
    return inStages(this.#pause, () => this.#read(key, unless, this.#clock.now()));
  }

  async getMany(
    keys: readonly string[],
    unless: readonly (Revision | undefined)[] = [],
    _options?: CallOptions,
  ): Promise<readonly (StoredRecord | "unchanged" | undefined)[]> {
    const asked = keys.map((key, index) => ({ key, unless: unless[index] }));
    return inStages(this.#pause, () => {
      const now = this.#clock.now();
      return asked.map((one) => this.#read(one.key, one.unless, now));
    });
  }

  async commit(
    operation: OperationId,
    mutations: readonly Mutation[],
    _options?: CallOptions,
    wanted: CommitAnswer = "records",
  ): Promise<readonly (StoredRecord | undefined)[]> {
    // The caller's arrays and bytes are its own again once this call is under way.
    const own = mutations.map((one) => (one.kind === "put" ? { ...one, value: copyOf(one.value) } : { ...one }));
    return inStages(this.#pause, () => this.#apply(operation, own, wanted));
  }

  async *keys(prefix: string, _options?: CallOptions): AsyncGenerator<string, void, void> {
    await this.#pause?.("request");
    let batch: string[] = [];
    for (const [key, record] of this.#data.records()) {
      if (!key.startsWith(prefix) || record.value === undefined || isExpired(record, this.#clock.now())) continue;
      batch.push(key);
      if (batch.length < keysPerReply) continue;
      await this.#pause?.("reply");
      yield* batch;
      batch = [];
    }
    await this.#pause?.("reply");
    yield* batch;
  }

  async now(_options?: CallOptions): Promise<number> {
    return inStages(this.#pause, () => this.#clock.now());
  }

  async getAt(key: string, at: number, _options?: CallOptions): Promise<StoredRecord | undefined> {
    return inStages(this.#pause, () => {
      const record = this.#data.at(key, at, this.#clock.now());
      return record === undefined ? undefined : answer(record, at);
    });
  }

  /** Tells of `changeOutside` on any store of the same data. A notice that `pause` loses comes as a gap. */
  async watch(listener: ChangeListener): Promise<() => Promise<void>> {
    const end = this.#data.watch((key) => {
      void Promise.resolve(this.#pause?.("reply")).then(
        () => listener.onChange([key]),
        () => listener.onGap(),
      );
    });
    return async () => end();
  }

  /**
   * A write by somebody who is not Warp, as psql does one: at once, unconditional, with a new revision and a raised
   * timestamp. `undefined` deletes, and does nothing where there is no record. History goes on as the last write of
   * the key asked.
   */
  changeOutside(key: string, value: Uint8Array | undefined): void {
    if (value === undefined && this.#data.current(key) === undefined) return;
    const write = {
      value: value === undefined ? undefined : copyOf(value),
      operation: this.#random.id(),
      node: "",
      ttlMs: undefined,
      history: this.#data.retention(key),
    };
    this.#data.write(key, write, this.#clock.now());
    this.#data.announce(key);
  }

  /** Lets go, now, of everything that is past its retention; resolves how many records went. O(keys). */
  reap(): number {
    // One step more than there are keys, since the sweep may have to go round.
    return this.#data.sweep(this.#clock.now(), this.#tombstoneRetentionMs, this.#data.size + 1);
  }

  #read(key: string, unless: Revision | undefined, now: number): StoredRecord | "unchanged" | undefined {
    const record = this.#data.current(key);
    if (record === undefined) return undefined;
    return record.revision === unless && !isExpired(record, now) ? "unchanged" : answer(record, now);
  }

  #apply(
    operation: OperationId,
    mutations: readonly Mutation[],
    wanted: CommitAnswer,
  ): readonly (StoredRecord | undefined)[] {
    const now = this.#clock.now();
    const held = (key: string): StoredRecord | undefined => {
      const record = this.#data.current(key);
      return record === undefined ? undefined : answer(record, now);
    };
    const moved = mutations.filter(({ key, expected }) => this.#data.current(key)?.revision !== expected);
    if (moved.length > 0) throw conflictError(new Map(moved.map(({ key }) => [key, held(key)])));
    const after: (StoredRecord | undefined)[] = [];
    for (const one of mutations) {
      if (one.kind !== "check") {
        const { key, timestamp, history } = one;
        const [value, ttlMs] = one.kind === "put" ? [one.value, one.ttlMs] : [];
        this.#data.write(key, { value, operation, node: timestamp.node, ttlMs, history }, now);
      }
      if (wanted === "records") after.push(held(one.key));
    }
    this.#data.sweep(now, this.#tombstoneRetentionMs, sweptPerWrite * mutations.length);
    return after;
  }
}
