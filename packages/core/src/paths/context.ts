import { type PortName, WarpError } from "../errors.ts";
import type { BackgroundErrors } from "../mechanisms/background-errors.ts";
import type { BackgroundWork } from "../mechanisms/background-work.ts";
import type { CoarseClock } from "../mechanisms/coarse-clock.ts";
import type { Fences } from "../mechanisms/fences.ts";
import type { FillGuard } from "../mechanisms/fill-guard.ts";
import type { KeyedMutex } from "../mechanisms/keyed-mutex.ts";
import type { LockBook } from "../mechanisms/lock-book.ts";
import type { Meters } from "../mechanisms/meters.ts";
import type { QuorumRule } from "../mechanisms/quorum.ts";
import type { Registration } from "../mechanisms/registration.ts";
import type { SharedAccess } from "../mechanisms/shared-access.ts";
import type { SingleFlight } from "../mechanisms/single-flight.ts";
import type { StoreAccess } from "../mechanisms/store-access.ts";
import type { VersionLog } from "../mechanisms/version-log.ts";
import { waitFor } from "../mechanisms/wait.ts";
import type { LocalCache } from "../ports/local-cache.ts";
import type { Logger } from "../ports/logger.ts";
import type { SharedSlot } from "../ports/shared-cache.ts";
import type { StoredRecord } from "../ports/store.ts";
import type { Tracer } from "../ports/tracer.ts";
import type { Clock } from "../values/clock.ts";
import type { OperationId, Revision } from "../values/entry.ts";
import { requireKey } from "../values/pattern.ts";
import type { Random } from "../values/random.ts";
import type { FrameHeader } from "../wire/frame.ts";
import type { StrongBody } from "../wire/strong-body.ts";

/** The options of a node, checked, without those that are objects in use. Durations in milliseconds. */
export interface Settings {
  readonly onCacheError: "miss" | "reject";
  readonly whileDeaf: "revalidate" | "serve" | "bypass";
  readonly cacheDeadlineMs: number;
  readonly storeDeadlineMs: number;
  readonly busDeadlineMs: number;
  readonly loaderDeadlineMs: number;
  readonly quorumDeadlineMs: number;
  readonly memberTimeoutMs: number;
  readonly maxDirty: number;
  readonly cluster: string;
  readonly node: string;
  /** Empty if none was given. */
  readonly zone: string;
  readonly secret: Uint8Array | undefined;
  readonly clock: Clock;
  readonly random: Random;
}

/** The right to fill a slot of the shared tier, by its token: both parts taken before the store was asked. */
export interface SlotClaim {
  readonly slot: SharedSlot;
  /** A fill stamps the entry with it: what happened since must make the entry suspect. */
  readonly epoch: string | undefined;
}

/** What the tiers and the store say about a key. */
export interface Fetched {
  /** `undefined`: it does not exist, as far as there was anybody to ask. */
  readonly value: unknown;
  readonly revision: Revision | undefined;
  /** Whether this is what the store says: a shared tier may only know that a key did not exist. */
  readonly fromStore: boolean;
  /** The store's own answer, where it was asked and did not say "unchanged". */
  readonly record: StoredRecord | undefined;
  /** Where the shared tier could be read before the store was. */
  readonly claim: SlotClaim | undefined;
}

/** What paths need of the bus side. */
export interface Announcer {
  /** Tells every other node, in the background, to drop `keys`. @param sharedDropped Whether they are gone from the shared tier. */
  announce(keys: readonly string[], sharedDropped: boolean): void;
  /** Tells every other node to drop everything distributed. */
  announceAll(): void;
}

/** What paths need of the shared tier's epoch. */
export interface Epochs {
  /** The epoch whose entries may be served unasked. */
  readonly trusted: string | undefined;
  /** Resolves once there is one, or the tier did not answer. */
  sought(): Promise<void>;
  /** The tier may hold what it must not: a new epoch makes all its entries suspect. */
  renew(): void;
  /** Somebody else is replacing the epoch: trust what a peer names. */
  seek(): void;
}

/** What paths need of write-behind. */
export interface DirtyKeys {
  /** Values that the store has not taken. */
  readonly depth: number;
  /** Keys that are dropped as soon as they are flushed. */
  readonly toDrop: Set<string>;
  /**
   * Takes a write: into the local tier now, into the store later.
   * @throws {WarpError} `OVERLOADED` if there is no room within `timeoutMs`; `INVALID_VALUE`.
   */
  set(
    key: string,
    registration: Registration,
    value: unknown,
    limits: { readonly timeoutMs: number; readonly signal: AbortSignal | undefined },
  ): Promise<unknown>;
  /** Resolves once the store has what this node holds for `key` when it is called. */
  flushKey(key: string): Promise<void>;
  /** As `flushKey`, for every key. @param of Only those of this registration. */
  flushAll(of?: Registration): Promise<void>;
  /** Whether what this node shows of `key` leaves out what the store holds. */
  isPartial(key: string): boolean;
}

/** One operation as it is announced. */
export interface Announcement {
  readonly operation: OperationId;
  readonly keys: readonly string[];
  readonly rules: readonly QuorumRule[];
  /** The public call, for errors. */
  readonly call: string;
  readonly key: string | undefined;
  /** Whether anybody still waits. */
  readonly isWanted: () => boolean;
}

/** What paths need of this node's part in strong writes. */
export interface Consents {
  /** How long a fence stands of whose operation nobody tells, in milliseconds. */
  readonly fenceMs: number;
  /**
   * Announces a write, again while it is not answered, and resolves once its quorum has acknowledged.
   * @throws {WarpError} `UNAVAILABLE` (port `bus`); `QUORUM_NOT_SATISFIED`.
   */
  prepare(announcement: Announcement): Promise<void>;
  /** Tells that `keys` have changed: in turn, and until the transport has taken it. */
  committed(operation: OperationId, keys: readonly string[], sharedDropped: boolean): void;
  /** Tells that nothing came of an operation. Whoever misses it waits for its fence to end. */
  aborted(operation: OperationId): void;
  /** What another node tells of a strong write. */
  onFrame(body: StrongBody, header: FrameHeader): void;
}

/** What strong reads need of the questions to the store: an answer that stood at some moment since it was asked for. */
export interface StrongQuestions {
  ask(key: string): Promise<Fetched>;
}

/** What calls need of the reads of the shared tier. */
export interface SharedReadsOf {
  /** @returns `undefined` for a read that needs the long way. */
  ask(operation: "get" | "find", key: string): Promise<unknown> | undefined;
}

/** What calls need of the writes to the shared tier. */
export interface SharedWritesOf {
  /** @returns `undefined` for a write that needs the long way: nothing has changed. */
  ask(key: string, value: unknown): Promise<unknown> | undefined;
}

/** All that an operation works with: one per node. */
export interface Context {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly random: Random;
  /** The monotonic time by which entries are judged. */
  readonly now: CoarseClock;
  readonly logger: Logger;
  readonly tracer: Tracer | undefined;
  readonly meters: Meters;
  readonly errors: BackgroundErrors;
  readonly local: LocalCache | undefined;
  readonly shared: SharedAccess | undefined;
  readonly epochs: Epochs | undefined;
  readonly store: StoreAccess | undefined;
  readonly bus: Announcer | undefined;
  readonly dirty: DirtyKeys | undefined;
  /** This node's part in strong writes, where there is a bus. */
  readonly strong: Consents | undefined;
  /** Keys that strong writes are about to change: nothing fills them. */
  readonly fences: Fences;
  /** What strong reads ask the store. */
  readonly questions: StrongQuestions;
  /** Told when news may have been missed. */
  readonly leases: { refresh(): void } | undefined;
  /** Former versions, where there is no store to keep them. */
  readonly versions: VersionLog | undefined;
  readonly fills: FillGuard;
  readonly flights: SingleFlight<Fetched, unknown>;
  /** Reads that the shared tier may answer at little cost. */
  readonly sharedReads: SharedReadsOf | undefined;
  /** Writes that only the shared tier is told of, where there is no store. */
  readonly sharedWrites: SharedWritesOf | undefined;
  readonly locks: KeyedMutex;
  readonly lockBook: LockBook;
  /** Work that goes on behind the callers' backs; `close` waits for it. */
  readonly background: BackgroundWork;
  /** False once `close` was called. */
  readonly isOpen: () => boolean;
  readonly resolve: (key: string) => Registration | undefined;
  readonly registrations: () => Iterable<Registration>;
}

/** @throws {WarpError} `CLOSED`. */
export const requireOpen = (context: Context, operation: string): void => {
  if (!context.isOpen()) throw new WarpError("CLOSED", "this node is closed", { operation });
};

/** @throws {WarpError} `CLOSED`, `INVALID_ARGUMENT`, `UNREGISTERED`. */
export const registrationFor = (context: Context, key: string, operation: string): Registration => {
  requireOpen(context, operation);
  const registration = context.resolve(key);
  if (registration !== undefined) return registration;
  requireKey(key);
  throw new WarpError("UNREGISTERED", `no registered pattern matches "${key}"`, { key, operation });
};

/** Runs `work` behind the callers' backs; what goes wrong is logged and told through `publishErrors`. */
export const inBackground = (
  context: Context,
  operation: string,
  key: string | undefined,
  work: Promise<unknown>,
): void => {
  const watched = work.catch((error: unknown) => {
    context.logger.warn(
      { err: error, operation, key, node: context.settings.node },
      `${operation} failed in the background`,
    );
    context.errors.add(error, key === undefined ? { operation } : { operation, key });
  });
  void watched.then(context.background.add(watched));
};

/**
 * What becomes of a failing cache tier: an error for the caller under `onCacheError: "reject"`, else a warning.
 * @throws {WarpError} The error itself, under `"reject"`.
 */
export const tolerateCacheError = (context: Context, error: unknown, operation: string, port: PortName): void => {
  if (context.settings.onCacheError === "reject") throw error;
  context.logger.warn(
    { err: error, operation, port, node: context.settings.node },
    "a cache tier failed; going on without it",
  );
};

export interface Limits {
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number | undefined;
}

/**
 * Has the store take what this node holds for `keys`, where they are strong-local, before something else is done with them.
 * @returns What is left of the limits.
 * @throws {WarpError} `DEADLINE_EXCEEDED`, `ABORTED`.
 */
export const flushFirst = async (
  { dirty, clock, settings }: Context,
  keys: Iterable<string>,
  operation: string,
  limits: Limits = { signal: undefined, timeoutMs: undefined },
): Promise<Limits> => {
  if (dirty === undefined || dirty.depth === 0) return limits;
  const { signal, timeoutMs } = limits;
  const began = clock.monotonic();
  const flushed = Promise.all([...keys].map((key) => dirty.flushKey(key)));
  const details = { operation, port: "store" } as const;
  await waitFor(clock, flushed, { signal, timeoutMs: timeoutMs ?? 2 * settings.storeDeadlineMs, details });
  return { signal, timeoutMs: timeoutMs === undefined ? undefined : timeoutMs - (clock.monotonic() - began) };
};

/** Where an operation id is needed that no caller gave. */
export const newOperation = (context: Context): OperationId => context.random.id();
