import { type Duration, durationMs } from "../values/duration.ts";
import { invalid, requireKnownFields } from "../values/invalid.ts";
import { limitsOf } from "../values/limits.ts";
import type { FrameBody } from "../wire/frame-body.ts";
import { type Context, registrationFor, requireOpen } from "./context.ts";
import { isLeaseId, type Lease, type LeaseBook, type LeaseRef } from "./lease-book.ts";
import { LeaseTable } from "./lease-table.ts";
import { StoredLeases } from "./stored-leases.ts";

/** Limits of a call about a lease. */
export interface LeaseOptions {
  /** Aborting it ends the wait: before anything was sent to the store with `ABORTED`, after that with `OUTCOME_UNKNOWN`. */
  readonly signal?: AbortSignal;
  /** The longest that the call may take. Default: twice the store's deadline and one of the cache's. */
  readonly hardTimeout?: Duration;
}

export interface GrantLeaseOptions extends LeaseOptions {
  /** How long it lives unless it is renewed. At least 1 ms; `Infinity` allowed. */
  readonly ttl: Duration;
}

export interface RenewLeaseOptions extends LeaseOptions {
  /** How long it lives from now on. Default: as long as it was granted for. */
  readonly ttl?: Duration;
}

const ttlOf = (ttl: unknown): number => durationMs("ttl", ttl, { leastMs: 1, infinite: true });

const refOf = (lease: Lease | string): LeaseRef => {
  const given: { readonly id?: unknown; readonly expiresAt?: unknown } =
    typeof lease === "object" && lease !== null ? lease : { id: lease };
  const { id, expiresAt } = given;
  if (!isLeaseId(id)) throw invalid("lease", "a lease or the id of one", lease);
  return { id, expiresAt: typeof expiresAt === "number" ? expiresAt : undefined };
};

/** Leases: keys that are dropped together, from every cache of every node, when their lease is revoked or expires. */
export class Leases {
  readonly #context: Context;
  readonly #book: LeaseBook;

  /** @param announce Tells every other node. */
  constructor(context: Context, announce: (body: FrameBody) => void) {
    this.#context = context;
    this.#book =
      context.store === undefined
        ? new LeaseTable(context, announce)
        : new StoredLeases(context, context.store, announce);
  }

  /** Leases that this node watches. */
  get size(): number {
    return this.#book.size;
  }

  /** @throws {WarpError} `INVALID_ARGUMENT`; without a store `OVERLOADED` beyond 10 000 live leases. */
  async grant(options: GrantLeaseOptions): Promise<Lease> {
    requireOpen(this.#context, "grantLease");
    requireKnownFields("grantLease", options, ["ttl", "signal", "hardTimeout"]);
    return await this.#book.grant(ttlOf(options.ttl), limitsOf(options));
  }

  /** @throws {WarpError} `LEASE_ENDED`, `UNREGISTERED`, `INVALID_ARGUMENT`; without a store `OVERLOADED` beyond 100 000 attached keys. */
  async attach(lease: Lease | string, key: string, options: LeaseOptions = {}): Promise<void> {
    requireKnownFields("attachKey", options, ["signal", "hardTimeout"]);
    const ref = refOf(lease);
    registrationFor(this.#context, key, "attachKey");
    await this.#book.attach(ref, key, limitsOf(options));
  }

  /** @throws {WarpError} `LEASE_ENDED`, `INVALID_ARGUMENT`. */
  async renew(lease: Lease | string, options: RenewLeaseOptions = {}): Promise<Lease> {
    requireOpen(this.#context, "renewLease");
    requireKnownFields("renewLease", options, ["ttl", "signal", "hardTimeout"]);
    const ttlMs = options.ttl === undefined ? undefined : ttlOf(options.ttl);
    return await this.#book.renew(refOf(lease), ttlMs, limitsOf(options));
  }

  /** @returns Whether it was this call that ended it. @throws {WarpError} `INVALID_ARGUMENT`. */
  async revoke(lease: Lease | string, options: LeaseOptions = {}): Promise<boolean> {
    requireOpen(this.#context, "revokeLease");
    requireKnownFields("revokeLease", options, ["signal", "hardTimeout"]);
    return await this.#book.revoke(refOf(lease), limitsOf(options));
  }

  /** @param sentAt By the sender's wall clock, in milliseconds since the epoch. */
  onFrame(body: FrameBody, sentAt: number): void {
    if (!this.#context.isOpen() || (body.kind !== "lease" && body.kind !== "attach")) return;
    const id = body.kind === "lease" ? body.id : body.lease;
    if (isLeaseId(id) && !(body.kind === "lease" && Number.isNaN(body.expiresAt))) this.#book.onFrame(body, sentAt);
  }

  /** News may have been missed: worked off at the next tick. */
  refresh(): void {
    this.#book.refresh();
  }

  /** Once per heartbeat, with a bus or without. */
  tick(): void {
    if (this.#context.isOpen()) this.#book.tick();
  }

  close(): void {
    this.#book.close();
  }
}
