import { WarpError } from "../errors.ts";
import type { Registration } from "../mechanisms/registration.ts";
import type { StoreAccess } from "../mechanisms/store-access.ts";
import { deadlineError, waitFor } from "../mechanisms/wait.ts";
import type { StoredRecord } from "../ports/store.ts";
import { type Cancel, delay } from "../values/clock.ts";
import { type Duration, durationMs } from "../values/duration.ts";
import type { Revision } from "../values/entry.ts";
import { requireKnownFields } from "../values/invalid.ts";
import { limitsOf } from "../values/limits.ts";
import { agreed } from "./agreement.ts";
import { type CommitRun, commitOnce } from "./commit.ts";
import { type Context, inBackground, type Limits, registrationFor, requireOpen } from "./context.ts";
import { type Held, HeldLock, type Lock } from "./held-lock.ts";
import { lockKey, putLock } from "./lock-records.ts";
import { runWrite } from "./write-run.ts";

/** Nodes that were woken by one release do not all ask at once: those who come later find it taken. Milliseconds. */
const scatterMs = 10;
/** Beyond the end of a lock's time, by the store's clock as far as it is known: until then nobody can take it over. */
const marginMs = 5;

export interface LockOptions {
  /** How long it is held unless it is renewed or released, by the store's clock. At least 1 ms. */
  readonly ttl: Duration;
  /** Gives up waiting: `ABORTED`. */
  readonly signal?: AbortSignal;
  /** The longest that the call may wait: then `DEADLINE_EXCEEDED`. Default: the registration's, else for ever. */
  readonly hardTimeout?: Duration;
}

interface Request {
  readonly context: Context;
  readonly store: StoreAccess;
  readonly registration: Registration;
  readonly key: string;
  readonly recordKey: string;
  readonly ttlMs: number;
}

const left = (limits: Limits, began: number, now: number): number | undefined =>
  limits.timeoutMs === undefined ? undefined : Math.max(0, limits.timeoutMs - (now - began));

/** Takes a lock that nobody holds, where that still holds. @returns `undefined` if somebody else was first. */
const take = async (request: Request, expected: Revision | undefined, limits: Limits): Promise<Lock | undefined> => {
  const { context, store, registration, key, recordKey, ttlMs } = request;
  const call = { operation: "lock", keys: [recordKey], key, ...limits, needsQuorum: true };
  let granted: Lock | undefined;
  const work = (run: CommitRun): Promise<Lock | undefined> =>
    agreed(context, run, new Map([[recordKey, registration]]), async (agreement) => {
      await agreement.ready?.();
      // Before it is sent: what this node counts ends before the store's count does.
      const sentAt = context.clock.monotonic();
      const settled = await commitOnce(context, store, run, undefined, [
        putLock(context, key, recordKey, ttlMs, expected),
      ]);
      const record = settled.kind === "landed" ? settled.records[0] : undefined;
      // One that landed, and was found out so late that others have had it since, is none.
      if (settled.kind === "lost" || record?.revision !== settled.operation) {
        agreement.withdraw();
        return undefined;
      }
      // Nobody has a copy of a lock: what the others are to hear is that it is taken, which they find when they ask.
      agreement.withdraw();
      const held: Held = { registration, key, recordKey, revision: settled.operation, ttlMs, sentAt };
      granted = new HeldLock(context, store, held, BigInt(record.timestamp.micros));
      if (run.cancelled) inBackground(context, "lock", key, granted.release());
      return granted;
    });
  try {
    return await runWrite(context, call, work);
  } catch (error) {
    // The caller left when it was granted already, and will never know.
    if (granted !== undefined) inBackground(context, "lock", key, granted.release());
    throw error;
  }
};

/** Waits until the lock may be free: somebody tells so, or its time is over. */
const untilFree = async (
  { context, store }: Request,
  record: StoredRecord,
  news: Promise<void>,
  limits: Limits & { readonly key: string },
): Promise<void> => {
  const leftMs = record.expiresAt === undefined ? undefined : await store.leftUntil(record.expiresAt);
  let cancel: Cancel = () => undefined;
  // Not in the background: somebody waits for it.
  const over = new Promise<void>((resolve) => {
    if (leftMs !== undefined) cancel = context.clock.schedule(leftMs + marginMs, resolve);
  });
  const { signal, timeoutMs, key } = limits;
  const details = { operation: "lock", key };
  try {
    await waitFor(context.clock, Promise.race([news, over]), { signal, timeoutMs, details });
  } finally {
    cancel();
  }
  // The news may be that this node closes, and with it its clock.
  requireOpen(context, "lock");
  await delay(context.clock, context.random.next() * scatterMs);
};

/** Contends with the other nodes, for one caller of this one at a time. */
const contend = async (request: Request, limits: Limits): Promise<Lock> => {
  const { context, store, key, recordKey } = request;
  const began = context.clock.monotonic();
  for (;;) {
    requireOpen(context, "lock");
    const leftMs = left(limits, began, context.clock.monotonic());
    if (leftMs === 0) throw deadlineError(limits.timeoutMs as number, { operation: "lock", key });
    const now: Limits = { signal: limits.signal, timeoutMs: leftMs };
    const details = { operation: "lock", key };
    // Before the store is asked: a release after that is not missed.
    const waiter = context.lockBook.waiters.wait(recordKey);
    try {
      const reading = store.getInternal(recordKey, details);
      const record = await waitFor(context.clock, reading, { ...now, details });
      if (record?.value !== undefined) await untilFree(request, record, waiter.news, { ...now, key });
      else {
        const lock = await take(request, record?.revision, now);
        if (lock !== undefined) return lock;
      }
    } finally {
      waiter.stop();
    }
  }
};

/**
 * Takes the lock on a strong key, waiting for whoever holds it. Callers of one node take turns; one of them at a time
 * contends with the other nodes.
 * @throws {WarpError} `UNSUPPORTED` for a key of another mode; `QUORUM_NOT_SATISFIED`; `UNAVAILABLE`; `ABORTED`;
 *   `DEADLINE_EXCEEDED`; `CLOSED`, also while it waits; `OUTCOME_UNKNOWN`: what may have been taken is given back in the
 *   background.
 */
export const acquireLock = async (context: Context, key: string, options: LockOptions): Promise<Lock> => {
  const { store, clock } = context;
  const registration = registrationFor(context, key, "lock");
  requireKnownFields("lock", options, ["ttl", "signal", "hardTimeout"]);
  const ttlMs = durationMs("ttl", options.ttl, { leastMs: 1 });
  const given = limitsOf(options);
  if (!registration.isStrong || store === undefined)
    throw new WarpError("UNSUPPORTED", `"${key}" must be registered as strong-distributed to be locked`, {
      operation: "lock",
      key,
    });
  const limits = { signal: given.signal, timeoutMs: given.timeoutMs ?? registration.policy.hardTimeoutMs };
  const began = clock.monotonic();
  const recordKey = lockKey(key);
  const turn = context.lockBook.turns.lock(recordKey);
  try {
    const release = await waitFor(clock, turn, { ...limits, details: { operation: "lock", key } });
    try {
      const rest = { signal: limits.signal, timeoutMs: left(limits, began, clock.monotonic()) };
      return await contend({ context, store, registration, key, recordKey, ttlMs }, rest);
    } finally {
      release();
    }
  } catch (error) {
    // Its turn may come after it has left.
    void turn.then((release) => release());
    throw error;
  }
};
