import { WarpError } from "../errors.ts";
import type { AttachBody, LeaseBody } from "../wire/frame-body.ts";

/** A group of keys that end together. Plain data: its id works on any node. */
export interface Lease {
  readonly id: string;
  /** In milliseconds since the epoch, by the store's clock, or where there is no store by this node's. `Infinity`: never. */
  readonly expiresAt: number;
}

/** What a caller brings of a lease. */
export interface LeaseRef {
  readonly id: string;
  /** Where the caller brought the lease itself. */
  readonly expiresAt: number | undefined;
}

export interface LeaseLimits {
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number | undefined;
}

/** Where leases are kept: in the store, or, where there is none, by every node. */
export interface LeaseBook {
  /** Leases that this node watches. */
  readonly size: number;
  grant(ttlMs: number, limits: LeaseLimits): Promise<Lease>;
  attach(lease: LeaseRef, key: string, limits: LeaseLimits): Promise<void>;
  /** @param ttlMs `undefined`: as long as it was granted for. */
  renew(lease: LeaseRef, ttlMs: number | undefined, limits: LeaseLimits): Promise<Lease>;
  /** Resolves once every attached key is dropped here and announced. @returns Whether this call ended it. */
  revoke(lease: LeaseRef, limits: LeaseLimits): Promise<boolean>;
  /** @param sentAt By the sender's wall clock. */
  onFrame(body: LeaseBody | AttachBody, sentAt: number): void;
  /** News may have been missed. Worked off at the next tick. */
  refresh(): void;
  /** Once per heartbeat. */
  tick(): void;
  close(): void;
}

const form = /^[\w-]{1,64}$/;

/** Whether a lease can have this id: it becomes part of keys in the store. */
export const isLeaseId = (id: unknown): id is string => typeof id === "string" && form.test(id);

export const leaseEnded = (id: string, operation: string): WarpError =>
  new WarpError("LEASE_ENDED", `the lease "${id}" was revoked, has expired, or was never granted`, { operation });

/**
 * The longest that a node waits with the expiry of a lease that is another's, in milliseconds: that node comes first,
 * and tells of it, so that not all of them do the work. Drawn anew for each.
 */
export const strangersWaitMs = 500;
