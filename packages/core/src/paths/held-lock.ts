import { WarpError } from "../errors.ts";
import type { Registration } from "../mechanisms/registration.ts";
import type { StoreAccess } from "../mechanisms/store-access.ts";
import type { Mutation, StoredRecord } from "../ports/store.ts";
import type { Cancel } from "../values/clock.ts";
import { type Duration, durationMs } from "../values/duration.ts";
import type { OperationId, Revision } from "../values/entry.ts";
import { requireKnownFields } from "../values/invalid.ts";
import { limitsOf } from "../values/limits.ts";
import { agreed } from "./agreement.ts";
import { type CommitRun, commitOnce } from "./commit.ts";
import { type Context, type Limits, newOperation, requireOpen } from "./context.ts";
import { deleteLock, putLock } from "./lock-records.ts";
import { runWrite } from "./write-run.ts";

export interface RenewLockOptions {
  /** From the renewal on. Default: as long as it was given for. */
  readonly ttl?: Duration;
  readonly signal?: AbortSignal;
  readonly hardTimeout?: Duration;
}

/**
 * A lock that was granted to this caller. It ends when it is released, or when its time is over by the store's clock,
 * whatever its holder does: a holder that pauses for longer does not notice. So whatever is written under the lock must
 * carry `token`, and whoever takes the writes must refuse one that is smaller than one it has seen (Kleppmann, "How to do
 * distributed locking", 2016).
 */
export interface Lock extends AsyncDisposable {
  readonly key: string;
  /** Larger than that of every grant of this lock before, whoever had it, across releases, expiries and restarts. */
  readonly token: bigint;
  /** Aborted when the lock has ended or may have: its time is over on this node, which is before the store's count ends. */
  readonly signal: AbortSignal;
  /**
   * Begins its time anew; the token stays. Costs a strong write.
   * @throws {WarpError} `LEASE_ENDED`: its time is over, somebody else has had it since, or it was released; `CLOSED`;
   *   `QUORUM_NOT_SATISFIED`, `UNAVAILABLE`, `DEADLINE_EXCEEDED`, `ABORTED`: it holds as long as before; `OUTCOME_UNKNOWN`:
   *   or as long as asked for. After any of these but the first two it may be renewed again, or released.
   */
  renew(options?: RenewLockOptions): Promise<void>;
  /**
   * Ends it, and wakes whoever waits. Costs one commit and needs no quorum. May be called again, above all where it
   * failed, and on a node that is closed, as long as the store's client is open.
   * @returns Whether its holder ended it with this call, or with one before of which the outcome was unknown: `false`
   *   if it had been released, or its time was over and somebody else has it, or had.
   * @throws {WarpError} As `set`: it then ends with its time, if not before.
   */
  release(): Promise<boolean>;
}

/** What a grant came to. */
export interface Held {
  readonly registration: Registration;
  readonly key: string;
  readonly recordKey: string;
  readonly revision: Revision;
  readonly ttlMs: number;
  /** Before the commit was sent, on the monotonic clock. */
  readonly sentAt: number;
}

const lockEnded = (key: string): WarpError =>
  new WarpError("LEASE_ENDED", `the lock on "${key}" has ended`, { operation: "renewLock", key });

interface Attempt {
  readonly run: CommitRun;
  /** Awaited before each. */
  readonly ready?: () => Promise<void>;
  readonly mutationOn: (expected: Revision) => Mutation;
}

/** What became of an attempt, and what the store held then. */
interface Outcome {
  readonly landed: boolean;
  readonly operation: OperationId;
  readonly record: StoredRecord | undefined;
}

/** States: held, until released or lost. Its time on this node, and with it `signal`, may end before. */
export class HeldLock implements Lock {
  readonly token: bigint;
  readonly #context: Context;
  readonly #store: StoreAccess;
  readonly #held: Held;
  readonly #ended: AbortController = new AbortController();
  /** That of the last of its writes that is known to have landed. */
  #revision: Revision;
  /** Whether it is known to be released, or to be somebody else's. */
  #isOver = false;
  /** What was sent since the last that is known to have landed: where the outcome is unknown, one of them may have. */
  readonly #attempts: Set<OperationId> = new Set();
  #ttlMs: number;
  #cancelTimer: Cancel = () => undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(context: Context, store: StoreAccess, held: Held, token: bigint) {
    this.token = token;
    this.#context = context;
    this.#store = store;
    this.#held = held;
    this.#revision = held.revision;
    this.#ttlMs = held.ttlMs;
    context.lockBook.held.add(this);
    this.#count(held.sentAt);
  }

  get key(): string {
    return this.#held.key;
  }

  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  renew(options: RenewLockOptions = {}): Promise<void> {
    return this.#inTurn(() => {
      requireKnownFields("renew", options, ["ttl", "signal", "hardTimeout"]);
      const ttlMs = options.ttl === undefined ? this.#ttlMs : durationMs("ttl", options.ttl, { leastMs: 1 });
      return this.#renew(ttlMs, limitsOf(options));
    });
  }

  release(): Promise<boolean> {
    return this.#inTurn(() => this.#release());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  /** The node closes: the lock is left to its time. */
  abandon(): void {
    this.#end("the node of this lock is closed");
  }

  /** One after the other, since each is conditional on what the one before left. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #renew(ttlMs: number, limits: Limits): Promise<void> {
    const { registration, recordKey, key } = this.#held;
    requireOpen(this.#context, "renewLock");
    this.#requireHeld();
    const call = { operation: "renewLock", keys: [recordKey], key, ...limits, needsQuorum: true };
    await runWrite(this.#context, call, (run) =>
      agreed(this.#context, run, new Map([[recordKey, registration]]), async (agreement) => {
        let sentAt = 0;
        const ready = async (): Promise<void> => {
          await agreement.ready?.();
          this.#requireHeld();
          sentAt = this.#context.clock.monotonic();
        };
        const mutationOn = (expected: Revision): Mutation => putLock(this.#context, key, recordKey, ttlMs, expected);
        const { landed, operation, record } = await this.#commit({ run, ready, mutationOn });
        agreement.withdraw();
        // Known so late that this holder has written since.
        if (!this.#attempts.has(operation)) return;
        if (landed && record?.revision === operation) {
          this.#revision = operation;
          this.#attempts.clear();
          this.#ttlMs = ttlMs;
          this.#count(sentAt);
        } else if (!this.#isOwn(record)) {
          const error = this.#lost();
          if (!run.cancelled) throw error;
        }
      }),
    );
  }

  async #release(): Promise<boolean> {
    if (this.#isOver) return false;
    const { recordKey, key } = this.#held;
    const call = { operation: "releaseLock", keys: [recordKey], key, signal: undefined, timeoutMs: undefined };
    return await runWrite(this.#context, call, async (run) => {
      const mutationOn = (expected: Revision): Mutation => deleteLock(this.#context, recordKey, expected);
      const { landed, operation, record } = await this.#commit({ run, mutationOn });
      // Known so late that this holder has written since.
      if (!this.#attempts.has(operation) || (!landed && this.#isOwn(record))) return landed;
      const isReleased = landed || (record !== undefined && this.#attempts.has(record.revision));
      this.#endForGood("the lock was released");
      if (!isReleased) return false;
      this.#context.lockBook.waiters.wake(recordKey);
      this.#context.bus?.announce([recordKey], true);
      return true;
    });
  }

  /** Commits on what the last write of this holder left: which that was it learns from the store, where it was not told. */
  async #commit({ run, ready, mutationOn }: Attempt): Promise<Outcome> {
    for (;;) {
      await ready?.();
      const operation = newOperation(this.#context);
      this.#attempts.add(operation);
      const settled = await commitOnce(this.#context, this.#store, run, operation, [mutationOn(this.#revision)]);
      if (settled.kind === "landed") return { landed: true, operation, record: settled.records[0] };
      const record = settled.conflicts.get(this.#held.recordKey);
      if (record === undefined || run.cancelled || !this.#isOwn(record)) return { landed: false, operation, record };
      this.#revision = record.revision;
    }
  }

  /** Whether the lock is still this holder's, by what the store holds. */
  #isOwn(record: StoredRecord | undefined): boolean {
    if (record?.value === undefined) return false;
    return record.revision === this.#revision || this.#attempts.has(record.revision);
  }

  /** One whose time is over on this node is not renewed: its holder was told so. */
  #requireHeld(): void {
    if (this.#isOver || this.#ended.signal.aborted) throw lockEnded(this.key);
  }

  #lost(): WarpError {
    const error = lockEnded(this.key);
    this.#endForGood(error.message);
    return error;
  }

  #endForGood(reason: string): void {
    this.#isOver = true;
    this.#attempts.clear();
    this.#end(reason);
  }

  /** Its time begins with the sending of the commit that gave it. */
  #count(sentAt: number): void {
    const { clock } = this.#context;
    this.#cancelTimer();
    if (this.#ended.signal.aborted) return;
    const leftMs = sentAt + this.#ttlMs - clock.monotonic();
    this.#cancelTimer = clock.schedule(
      Math.max(0, leftMs),
      () => this.#end(`the time of the lock on "${this.key}" is over`),
      true,
    );
  }

  #end(reason: string): void {
    this.#cancelTimer();
    this.#context.lockBook.held.delete(this);
    if (this.#ended.signal.aborted) return;
    this.#ended.abort(new WarpError("LEASE_ENDED", reason, { operation: "lock", key: this.key }));
  }
}
