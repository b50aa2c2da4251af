import { WarpError } from "../errors.ts";
import { ExpiryTimer } from "../mechanisms/expiry-timer.ts";
import { RecentIds } from "../mechanisms/recent-ids.ts";
import type { AttachBody, FrameBody, LeaseBody } from "../wire/frame-body.ts";
import { dropEverywhere } from "./commit.ts";
import { type Context, inBackground } from "./context.ts";
import { type Lease, type LeaseBook, type LeaseRef, leaseEnded, strangersWaitMs } from "./lease-book.ts";
import { dropLocal } from "./tiers.ts";

const mostLeases = 10_000;
const mostAttachments = 100_000;
/** Ids of ended leases that are remembered, so that late news do not bring one back. */
const mostEnded = 10_000;
const mostRepeated = 500;
const ticksPerRepeat = 10;
const keysPerDrop = 1_000;

interface TableLease {
  readonly keys: Set<string>;
  /** Monotonic. */
  expiresAt: number;
  ttlMs: number;
  /** Granted or renewed by this node, which sees to it that the others know of it. */
  own: boolean;
  /** This node has told the others of it. */
  told: boolean;
}

/**
 * Leases where there is no store: each node keeps what it heard, and when a lease ends each drops, everywhere, the keys
 * that it knows to be attached. So a key is dropped if any node that is left knows of its attachment. Time left is what
 * goes from node to node, so clocks need not agree.
 */
export class LeaseTable implements LeaseBook {
  readonly #context: Context;
  readonly #announce: (body: FrameBody) => void;
  readonly #leases: Map<string, TableLease> = new Map();
  readonly #ended: RecentIds;
  readonly #timer: ExpiryTimer;
  #attachments = 0;
  #ticks = 0;
  #repeated = 0;

  constructor(context: Context, announce: (body: FrameBody) => void) {
    this.#context = context;
    this.#announce = announce;
    this.#ended = new RecentIds(context.clock, mostEnded);
    const onDue = (id: string): void => this.#endLater(id);
    this.#timer = new ExpiryTimer({ clock: context.clock, most: 2 * mostLeases, onDue });
  }

  get size(): number {
    return this.#leases.size;
  }

  async grant(ttlMs: number): Promise<Lease> {
    const id = this.#context.random.id();
    if (this.#leases.size >= mostLeases) throw overloaded(`${mostLeases} leases are live`, "grantLease");
    const lease = { keys: new Set<string>(), expiresAt: this.#now() + ttlMs, ttlMs, own: true, told: false };
    this.#leases.set(id, lease);
    return this.#granted(id, lease);
  }

  async attach(ref: LeaseRef, key: string): Promise<void> {
    const lease = this.#live(ref, "attachKey");
    if (lease.keys.has(key)) return;
    if (this.#attachments >= mostAttachments)
      throw overloaded(`${mostAttachments} keys are attached`, "attachKey", key);
    // For those who have not heard of the lease yet.
    if (!lease.told) this.#tell(ref.id, lease);
    this.#add(lease, key);
    this.#announce({ kind: "attach", lease: ref.id, key });
  }

  async renew(ref: LeaseRef, ttlMs: number | undefined): Promise<Lease> {
    const lease = this.#live(ref, "renewLease");
    lease.ttlMs = ttlMs ?? lease.ttlMs;
    lease.expiresAt = this.#now() + lease.ttlMs;
    lease.own = true;
    return this.#granted(ref.id, lease);
  }

  async revoke({ id }: LeaseRef): Promise<boolean> {
    const lease = this.#leases.get(id);
    const isFirst = lease !== undefined && this.#now() < lease.expiresAt;
    await this.#end(id, true);
    return isFirst;
  }

  onFrame(body: LeaseBody | AttachBody, sentAt: number): void {
    const id = body.kind === "lease" ? body.id : body.lease;
    if (body.kind === "lease" && body.ended) {
      inBackground(this.#context, "lease", undefined, this.#end(id, false));
    } else if (this.#ended.has(id)) {
      // The sender has not heard of the end.
      this.#tellEnd(id);
    } else if (body.kind === "lease") this.#heard(id, body.expiresAt - sentAt);
    else this.#heardAttach(id, body.key);
  }

  /** Others may have missed something too. */
  refresh(): void {
    this.#ticks = ticksPerRepeat;
  }

  /** Now and then repeats what leases of its own there are, for nodes that joined late or missed it. */
  tick(): void {
    if (++this.#ticks < ticksPerRepeat) return;
    this.#ticks = 0;
    const own = [...this.#leases].filter(([, lease]) => lease.own);
    if (this.#repeated >= own.length) this.#repeated = 0;
    const some = own.slice(this.#repeated, this.#repeated + mostRepeated);
    this.#repeated += some.length;
    for (const [id, lease] of some) this.#tell(id, lease);
  }

  close(): void {
    this.#timer.end();
  }

  #now(): number {
    return this.#context.clock.monotonic();
  }

  /** @throws {WarpError} `LEASE_ENDED`. */
  #live({ id, expiresAt }: LeaseRef, operation: string): TableLease {
    const lease = this.#leases.get(id);
    if (lease !== undefined && this.#now() < lease.expiresAt) return lease;
    if (lease !== undefined) this.#endLater(id);
    const leftMs = (expiresAt ?? 0) - this.#context.clock.now();
    if (lease !== undefined || this.#ended.has(id) || !(leftMs > 0)) throw leaseEnded(id, operation);
    // Handed over by whoever granted it, faster than the bus, or before this node joined.
    const added = this.#heard(id, leftMs);
    if (added === undefined) throw overloaded(`${mostLeases} leases are live`, operation);
    return added;
  }

  #granted(id: string, lease: TableLease): Lease {
    this.#timer.set(id, lease.expiresAt - this.#now());
    this.#tell(id, lease);
    return Object.freeze({ id, expiresAt: this.#context.clock.now() + lease.ttlMs });
  }

  #tell(id: string, lease: TableLease): void {
    lease.told = true;
    const expiresAt = this.#context.clock.now() + lease.expiresAt - this.#now();
    this.#announce({ kind: "lease", id, expiresAt, ended: false });
  }

  #tellEnd(id: string): void {
    this.#announce({ kind: "lease", id, expiresAt: 0, ended: true });
  }

  #heard(id: string, leftMs: number): TableLease | undefined {
    const known = this.#leases.get(id);
    if (!(leftMs > 0) || (known === undefined && this.#leases.size >= mostLeases)) return known;
    const lease = known ?? { keys: new Set<string>(), expiresAt: 0, ttlMs: 0, own: false, told: false };
    this.#leases.set(id, lease);
    // News may come twice and in any order: the longest life counts. Whoever made it shorter tells of its end.
    lease.ttlMs = Math.max(lease.ttlMs, leftMs);
    const expiresAt = this.#now() + leftMs;
    if (expiresAt <= lease.expiresAt) return lease;
    lease.expiresAt = expiresAt;
    this.#timer.set(id, leftMs + this.#context.random.next() * strangersWaitMs);
    return lease;
  }

  #heardAttach(id: string, key: string): void {
    const lease = this.#leases.get(id);
    if (lease !== undefined && !lease.keys.has(key) && this.#attachments < mostAttachments) this.#add(lease, key);
  }

  #add(lease: TableLease, key: string): void {
    lease.keys.add(key);
    this.#attachments++;
  }

  #endLater(id: string): void {
    inBackground(this.#context, "lease", undefined, this.#end(id, true));
  }

  /** @param tell Whether the others are to be told that it ended. What it held they are told in any case. */
  async #end(id: string, tell: boolean): Promise<void> {
    const isNew = !this.#ended.has(id);
    if (isNew) this.#ended.add(id, Number.POSITIVE_INFINITY);
    this.#timer.delete(id);
    const lease = this.#leases.get(id);
    this.#leases.delete(id);
    if (tell && isNew) this.#tellEnd(id);
    if (lease === undefined) return;
    this.#attachments -= lease.keys.size;
    const keys = [...lease.keys];
    // At once and together, whatever the shared tier does.
    for (const key of keys) dropLocal(this.#context, key);
    const failures: unknown[] = [];
    for (let from = 0; from < keys.length; from += keysPerDrop) {
      const some = keys.slice(from, from + keysPerDrop);
      await dropEverywhere(this.#context, some).catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) throw failures[0];
  }
}

const overloaded = (reason: string, operation: string, key?: string): WarpError =>
  new WarpError("OVERLOADED", `${reason}, which is the most that nodes without a store keep`, { operation, key });
