import { WarpError } from "../errors.ts";
import type { StoreAccess } from "../mechanisms/store-access.ts";
import { waitFor } from "../mechanisms/wait.ts";
import type { StoredRecord } from "../ports/store.ts";
import type { Revision } from "../values/entry.ts";
import type { AttachBody, FrameBody, LeaseBody } from "../wire/frame-body.ts";
import { type CommitRun, commitOnce, dropEverywhere } from "./commit.ts";
import { type Context, inBackground } from "./context.ts";
import { type Lease, type LeaseBook, type LeaseLimits, type LeaseRef, leaseEnded } from "./lease-book.ts";
import {
  attachmentKey,
  type LeaseState,
  leaseKey,
  leaseStateIn,
  putAttachment,
  putLease,
  removeRecord,
} from "./lease-records.ts";
import { LeaseWatch } from "./lease-watch.ts";
import { commitLoop, type Landed, runWrite } from "./write-run.ts";

const noLimits: LeaseLimits = { signal: undefined, timeoutMs: undefined };

const stateOf = (id: string, record: StoredRecord | undefined): LeaseState | undefined =>
  record?.value === undefined ? undefined : leaseStateIn(id, record.value);

const unfinished = (cause: unknown): WarpError =>
  new WarpError("OUTCOME_UNKNOWN", "the lease has ended; dropping its keys goes on in the background", {
    operation: "revokeLease",
    cause,
  });

/**
 * Leases as records of the store: one for the lease, one for each key attached to it. An attachment is written first,
 * and then the lease is read; whoever ends the lease commits that first, and then lists the attachments. So either the
 * one who attaches sees the end, or the one who ends sees the attachment.
 */
export class StoredLeases implements LeaseBook {
  readonly #context: Context;
  readonly #store: StoreAccess;
  readonly #watch: LeaseWatch;

  constructor(context: Context, store: StoreAccess, announce: (body: FrameBody) => void) {
    this.#context = context;
    this.#store = store;
    this.#watch = new LeaseWatch(context, store, announce);
  }

  get size(): number {
    return this.#watch.size;
  }

  grant(ttlMs: number, limits: LeaseLimits): Promise<Lease> {
    const id = this.#context.random.id();
    const call = { operation: "grantLease", keys: [leaseKey(id)], key: undefined, ...limits };
    return runWrite(this.#context, call, async (run) => {
      let expected: Revision | undefined;
      const landed = await commitLoop(this.#context, {
        run,
        store: this.#store,
        operation: undefined,
        plan: () => ({ mutations: [putLease(this.#context, id, { ttlMs, ended: false }, expected)], result: ttlMs }),
        learn: (conflicts) => {
          expected = conflicts.get(leaseKey(id))?.revision;
        },
      });
      const lease = this.#granted(id, landed, run);
      // The caller has left without its id, so nobody can ever use it.
      if (run.cancelled) inBackground(this.#context, "grantLease", undefined, this.revoke(lease, noLimits));
      return lease;
    });
  }

  attach({ id }: { readonly id: string }, key: string, limits: LeaseLimits): Promise<void> {
    const call = { operation: "attachKey", keys: [attachmentKey(id, key)], key, together: true, ...limits };
    return runWrite(this.#context, call, async (run) => {
      const revision = await this.#putAttachment(run, id, key);
      if (await this.#isLive(id, key)) return;
      inBackground(this.#context, "attachKey", key, this.#detach(id, key, revision));
      throw leaseEnded(id, "attachKey");
    });
  }

  renew({ id }: LeaseRef, ttlMs: number | undefined, limits: LeaseLimits): Promise<Lease> {
    const call = { operation: "renewLease", keys: [leaseKey(id)], key: undefined, ...limits };
    return runWrite(this.#context, call, async (run) => {
      const { verdict, record } = await this.#watch.judge(id);
      if (verdict === "abandoned") this.#watch.finishLater(id);
      if (verdict !== "live") throw leaseEnded(id, "renewLease");
      let known = record;
      const landed = await commitLoop(this.#context, {
        run,
        store: this.#store,
        operation: undefined,
        plan: () => {
          const state = stateOf(id, known);
          if (state === undefined || state.ended) throw leaseEnded(id, "renewLease");
          const next = { ttlMs: ttlMs ?? state.ttlMs, ended: false };
          return { mutations: [putLease(this.#context, id, next, known?.revision)], result: next.ttlMs };
        },
        learn: (conflicts) => {
          known = conflicts.get(leaseKey(id));
        },
      });
      return this.#granted(id, landed, run);
    });
  }

  async revoke({ id }: { readonly id: string }, limits: LeaseLimits): Promise<boolean> {
    const { clock } = this.#context;
    const { signal, timeoutMs = Number.POSITIVE_INFINITY } = limits;
    const until = clock.monotonic() + timeoutMs;
    const call = { operation: "revokeLease", keys: [leaseKey(id)], key: undefined, ...limits };
    const isFirst = await runWrite(this.#context, call, (run) => this.#end(run, id));
    const job = this.#watch.finish(id);
    inBackground(this.#context, "revokeLease", undefined, job);
    try {
      await waitFor(clock, job, { signal, timeoutMs: until - clock.monotonic(), details: {} });
    } catch (error) {
      throw unfinished(error);
    }
    return isFirst;
  }

  onFrame(body: LeaseBody | AttachBody): void {
    if (body.kind === "lease") this.#watch.heard(body);
  }

  refresh(): void {
    this.#watch.refresh();
  }

  tick(): void {
    this.#watch.tick();
  }

  close(): void {
    this.#watch.close();
  }

  /** What a grant or a renewal came to. */
  #granted(id: string, { records: [record], operation, result }: Landed<number>, run: CommitRun): Lease {
    // Found out late, it may have been followed by others.
    const state = record?.revision === operation ? { ttlMs: result, ended: false } : stateOf(id, record);
    if (record === undefined || state === undefined || state.ended) throw leaseEnded(id, run.operation);
    const lease = Object.freeze({ id, expiresAt: record.committedAt + state.ttlMs });
    this.#watch.granted(lease);
    return lease;
  }

  /** @returns The attachment's revision, whoever wrote it. */
  async #putAttachment(run: CommitRun, id: string, key: string): Promise<Revision> {
    const recordKey = attachmentKey(id, key);
    for (let expected: Revision | undefined; ; ) {
      const mutation = putAttachment(this.#context, id, key, expected);
      const settled = await commitOnce(this.#context, this.#store, run, undefined, [mutation]);
      if (settled.kind === "landed") return settled.operation;
      const held = settled.conflicts.get(recordKey);
      if (held?.value !== undefined) return held.revision;
      expected = held?.revision;
    }
  }

  /**
   * Whether a key attached by now will be dropped when the lease ends: it will, as long as nobody has committed
   * "ended". So the estimated clock is good enough to tell who has to ask.
   */
  async #isLive(id: string, key: string): Promise<boolean> {
    const record = await this.#store.getInternal(leaseKey(id), { operation: "attachKey", key });
    const state = stateOf(id, record);
    if (record === undefined || state === undefined || state.ended) return false;
    if (this.#store.estimatedNow() - record.committedAt < state.ttlMs) return true;
    const { verdict } = await this.#watch.judge(id);
    if (verdict === "abandoned") this.#watch.finishLater(id);
    return verdict === "live";
  }

  /** Another node may have attached the key in time, and count on this record: it goes only once the key is dropped. */
  async #detach(id: string, key: string, revision: Revision): Promise<void> {
    await dropEverywhere(this.#context, [key]);
    await removeRecord(this.#context, this.#store, attachmentKey(id, key), revision);
  }

  /** Commits "ended". @returns Whether it was this commit that ended the lease. */
  async #end(run: CommitRun, id: string): Promise<boolean> {
    let record = await this.#store.getInternal(leaseKey(id), { operation: run.operation });
    for (;;) {
      const state = stateOf(id, record);
      if (record === undefined || state === undefined || state.ended) return false;
      const isExpired = this.#store.estimatedNow() - record.committedAt >= state.ttlMs;
      const mutation = putLease(this.#context, id, { ...state, ended: true }, record.revision);
      const settled = await commitOnce(this.#context, this.#store, run, undefined, [mutation]);
      if (settled.kind === "landed") {
        this.#watch.ended(id);
        // The caller has left: nobody comes back to see to the rest.
        if (run.cancelled) this.#watch.finishLater(id);
        return !isExpired;
      }
      record = settled.conflicts.get(leaseKey(id));
    }
  }
}
