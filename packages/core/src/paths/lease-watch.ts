import { WarpError } from "../errors.ts";
import { ExpiryTimer } from "../mechanisms/expiry-timer.ts";
import type { StoreAccess } from "../mechanisms/store-access.ts";
import type { StoredRecord } from "../ports/store.ts";
import type { FrameBody, LeaseBody } from "../wire/frame-body.ts";
import { dropEverywhere } from "./commit.ts";
import { type Context, inBackground, newOperation } from "./context.ts";
import { clearAll } from "./invalidate.ts";
import { type Lease, strangersWaitMs } from "./lease-book.ts";
import {
  attachedKeyIn,
  attachmentPrefix,
  type FoundRecord,
  leaseKey,
  leasePrefix,
  leaseStateIn,
  putLease,
  recordsUnder,
  removeRecord,
} from "./lease-records.ts";

/** Leases that a node watches; of more, those that expire first. */
const mostWatched = 100_000;
const mostAtOnce = 8;
const pageSize = 500;
const removalsAtOnce = 16;
/** How long whoever ended a lease has for dropping its keys, before others take it for dead and do it too. */
const finishWithinMs = 5_000;

export interface Judgement {
  /** `"abandoned"`: it has ended, and it is for the one who asked to `finish` it. */
  readonly verdict: "live" | "ended" | "abandoned";
  readonly record: StoredRecord | undefined;
}

/**
 * Sees to it that leases in the store end. Each node watches all of them, so one whose granter has left expires too.
 * A lease is live, until its record says "ended", whoever wrote that; ended, until its keys are dropped and its
 * attachments removed; and gone with its record. Any node may take each of these steps, and more than one may take the
 * same: one of them commits "ended", and dropping twice does no harm.
 */
export class LeaseWatch {
  readonly #context: Context;
  readonly #store: StoreAccess;
  readonly #announce: (body: FrameBody) => void;
  readonly #timer: ExpiryTimer;
  /** To be looked at now. */
  readonly #due: Set<string> = new Set();
  readonly #finishing: Map<string, Promise<void>> = new Map();
  #working = 0;
  /** The store failed: no lease is looked at before the next tick. */
  #paused = false;
  #stale = true;
  #reloading = false;
  /** Monotonic. */
  #nextReloadAt = 0;

  constructor(context: Context, store: StoreAccess, announce: (body: FrameBody) => void) {
    this.#context = context;
    this.#store = store;
    this.#announce = announce;
    const onDue = (id: string): void => {
      this.#due.add(id);
      this.#work();
    };
    this.#timer = new ExpiryTimer({ clock: context.clock, most: mostWatched, onDue });
  }

  get size(): number {
    return this.#timer.size + this.#due.size;
  }

  /** This node granted or renewed it. */
  granted({ id, expiresAt }: Lease): void {
    this.#timer.set(id, expiresAt - this.#store.estimatedNow());
    this.#announce({ kind: "lease", id, expiresAt, ended: false });
  }

  /** This node committed "ended". */
  ended(id: string): void {
    this.#timer.set(id, finishWithinMs);
    this.#announce({ kind: "lease", id, expiresAt: 0, ended: true });
  }

  heard({ id, expiresAt, ended }: LeaseBody): void {
    this.#watch(id, ended ? finishWithinMs : expiresAt - this.#store.estimatedNow());
  }

  refresh(): void {
    this.#stale = true;
  }

  tick(): void {
    this.#paused = false;
    this.#work();
    if (this.#timer.takeForgotten()) this.#stale = true;
    if (!this.#stale || this.#reloading || this.#context.clock.monotonic() < this.#nextReloadAt) return;
    this.#stale = false;
    this.#reloading = true;
    inBackground(this.#context, "lease", undefined, this.#reload());
  }

  close(): void {
    this.#due.clear();
    this.#timer.end();
  }

  /** What has become of a lease, by the store's own clock. Commits "ended" where it has expired. */
  async judge(id: string): Promise<Judgement> {
    const store = this.#store;
    const call = { operation: "lease" };
    const [found, now] = await Promise.all([store.getInternal(leaseKey(id), call), store.now(call)]);
    for (let record = found; ; ) {
      if (record?.value === undefined) {
        this.#timer.delete(id);
        return { verdict: "ended", record };
      }
      const state = leaseStateIn(id, record.value);
      const age = now - record.committedAt;
      if (state.ended) {
        if (age >= finishWithinMs) return { verdict: "abandoned", record };
        this.#watch(id, finishWithinMs - age);
        return { verdict: "ended", record };
      }
      if (age < state.ttlMs) {
        this.#timer.set(id, state.ttlMs - age);
        return { verdict: "live", record };
      }
      const mutation = putLease(this.#context, id, { ...state, ended: true }, record.revision);
      const reply = await store.commit(newOperation(this.#context), [mutation], { operation: "lease" });
      if (reply.kind === "landed") {
        this.ended(id);
        return { verdict: "abandoned", record };
      }
      if (reply.kind !== "lost") throw reply.error;
      record = reply.conflicts.get(leaseKey(id));
    }
  }

  /** Drops what is attached to an ended lease from every tier of every node, then removes what is stored of it. */
  finish(id: string): Promise<void> {
    const known = this.#finishing.get(id);
    if (known !== undefined) return known;
    const job = this.#dropAttached(id).finally(() => this.#finishing.delete(id));
    this.#finishing.set(id, job);
    return job;
  }

  /** As `finish`, for nobody who waits. */
  finishLater(id: string): void {
    inBackground(this.#context, "lease", undefined, this.finish(id));
  }

  /** Another node comes first. */
  #watch(id: string, leftMs: number): void {
    this.#timer.set(id, leftMs + this.#context.random.next() * strangersWaitMs);
  }

  #work(): void {
    while (this.#context.isOpen() && !this.#paused && this.#working < mostAtOnce) {
      const [id] = this.#due;
      if (id === undefined) return;
      this.#due.delete(id);
      this.#working++;
      const look = this.#look(id).finally(() => {
        this.#working--;
        this.#work();
      });
      inBackground(this.#context, "lease", undefined, look);
    }
  }

  async #look(id: string): Promise<void> {
    try {
      if ((await this.judge(id)).verdict === "abandoned") await this.finish(id);
    } catch (error) {
      // A record that nobody can read stays as it is: asking again does not help.
      if (!WarpError.has(error, "CORRUPT")) {
        this.#paused = true;
        this.#due.add(id);
      }
      throw error;
    }
  }

  /** Learns of every lease there is; looks at those that it knows and that are not there. */
  async #reload(): Promise<void> {
    const { clock } = this.#context;
    const began = clock.monotonic();
    try {
      const now = await this.#store.now({ operation: "lease" });
      const unlisted = new Set(this.#timer.ids());
      for await (const page of recordsUnder(this.#store, leasePrefix, pageSize)) {
        if (!this.#context.isOpen()) return;
        for (const { key, record, value } of page) {
          const id = key.slice(leasePrefix.length);
          unlisted.delete(id);
          this.#note(id, record, value, now);
        }
      }
      for (const id of unlisted) this.#timer.set(id, 0);
    } catch (error) {
      this.#stale = true;
      throw error;
    } finally {
      this.#reloading = false;
      // However often news are missed, and however many leases there are, nine tenths of the time go to something else.
      this.#nextReloadAt = clock.monotonic() + 9 * (clock.monotonic() - began);
    }
  }

  #note(id: string, { committedAt }: StoredRecord, value: Uint8Array, now: number): void {
    const age = now - committedAt;
    try {
      const { ended, ttlMs } = leaseStateIn(id, value);
      this.#watch(id, (ended ? finishWithinMs : ttlMs) - age);
    } catch (error) {
      this.#context.errors.add(error, { operation: "lease" });
    }
  }

  async #dropAttached(id: string): Promise<void> {
    try {
      const record = await this.#store.getInternal(leaseKey(id), { operation: "lease" });
      if (record?.value === undefined || !leaseStateIn(id, record.value).ended) return;
      for await (const page of recordsUnder(this.#store, attachmentPrefix(id), pageSize)) {
        await this.#drop(page);
        await this.#remove(page);
      }
      await removeRecord(this.#context, this.#store, leaseKey(id), record.revision);
      this.#timer.delete(id);
    } catch (error) {
      this.#timer.set(id, finishWithinMs);
      throw error;
    }
  }

  async #drop(page: readonly FoundRecord[]): Promise<void> {
    const keys: string[] = [];
    let unreadable = 0;
    for (const { key, value } of page) {
      try {
        keys.push(attachedKeyIn(key, value));
      } catch (error) {
        unreadable++;
        this.#context.errors.add(error, { operation: "lease" });
      }
    }
    // Which key it is of is lost, so it may be any.
    if (unreadable > 0) await clearAll(this.#context);
    await dropEverywhere(this.#context, keys);
  }

  async #remove(page: readonly FoundRecord[]): Promise<void> {
    const atOnce = this.#store.joinsCommits ? page.length : removalsAtOnce;
    for (let from = 0; from < page.length; from += atOnce) {
      const some = page.slice(from, from + atOnce);
      await Promise.all(some.map(({ key, record }) => removeRecord(this.#context, this.#store, key, record.revision)));
    }
  }
}
