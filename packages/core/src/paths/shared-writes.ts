import { cutInPieces } from "../mechanisms/batcher.ts";
import { failureFor, failureNaming } from "../mechanisms/guard.ts";
import type { Release } from "../mechanisms/keyed-mutex.ts";
import type { Registration } from "../mechanisms/registration.ts";
import { mostKeysPerCall, type SharedAccess, sharedCutting } from "../mechanisms/shared-access.ts";
import type { SharedPut } from "../ports/shared-cache.ts";
import type { Entry } from "../values/entry.ts";
import { encodeValue } from "../wire/encode-value.ts";
import { encodeSharedEntry } from "../wire/shared-entry.ts";
import { type Context, tolerateCacheError } from "./context.ts";
import { isOut, newLife } from "./tiers.ts";
import { keepOnly, putLocally } from "./write-local.ts";
import { isThenable } from "./write-values.ts";

const unset = (): void => {};

/** One write on its way to the shared tier, with its key locked. */
class SharedWrite implements SharedPut {
  readonly key: string;
  readonly value: unknown;
  readonly bytes: Uint8Array;
  readonly ttlMs: number;
  readonly token: undefined = undefined;
  /** What it left in the local tier. */
  readonly entry: Entry | undefined;
  readonly release: Release;
  /** On the monotonic clock. */
  readonly began: number;
  readonly promise: Promise<unknown>;
  resolve: (value: unknown) => void = unset;
  reject: (error: unknown) => void = unset;

  constructor(context: Context, key: string, value: unknown, bytes: Uint8Array, ttlMs: number, release: Release) {
    this.key = key;
    this.value = value;
    this.bytes = bytes;
    this.ttlMs = ttlMs;
    this.entry = context.local?.get(key);
    this.release = release;
    this.began = context.clock.monotonic();
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }
}

/**
 * Writes of the plain kind on a node without a store, which most there are: nothing to merge with, nobody before it in
 * turn, and a shared tier that is trusted. Such a write costs one promise, and those of one turn of the event loop a few
 * calls to the tier. All others, and those that fail before anything has changed, are `setWithoutStore`'s.
 */
export class SharedWrites {
  readonly #context: Context;
  readonly #shared: SharedAccess;
  #asked: SharedWrite[] = [];

  constructor(context: Context, shared: SharedAccess) {
    this.#context = context;
    this.#shared = shared;
  }

  /** @returns `undefined` if it is not of the plain kind, or not to be done at all: nothing has changed. */
  ask(key: string, value: unknown): Promise<unknown> | undefined {
    const context = this.#context;
    const epoch = context.epochs?.trusted;
    if (epoch === undefined || !context.isOpen() || context.tracer !== undefined || isOut(context)) return undefined;
    const isIsolated = context.local !== undefined && context.local.isolate !== "none";
    const registration = context.resolve(key);
    if (registration === undefined || !registration.writesPlainly || isIsolated) return undefined;
    if (value === undefined || isThenable(value) || this.#shared.owes(key)) return undefined;
    const release = context.locks.tryLock(key);
    if (release === undefined) return undefined;
    let write: SharedWrite;
    try {
      write = this.#begin(registration, key, value, epoch, release);
    } catch {
      // Tried again, and refused, where a failure is a rejection.
      release();
      return undefined;
    }
    registration.meters.writes++;
    if (this.#asked.push(write) === 1) this.#schedule();
    return write.promise;
  }

  #begin(registration: Registration, key: string, value: unknown, epoch: string, release: Release): SharedWrite {
    const context = this.#context;
    const { graceMs, policy } = registration;
    const encoded = encodeValue(policy.codec, value, key);
    const { ttlMs } = newLife(context, key, registration, false);
    const bytes = encodeSharedEntry({ value: encoded, revision: undefined, epoch, graceMs, ttlMs });
    putLocally(context, registration, key, value);
    return new SharedWrite(context, key, value, bytes, ttlMs + graceMs, release);
  }

  /** After the microtasks that are due: whoever was woken by the same reply writes together. `close` waits from now on. */
  #schedule(): void {
    const work = new Promise<void>((resolve) => process.nextTick(resolve)).then(() => this.#flush());
    void work.then(this.#context.background.add(work));
  }

  async #flush(): Promise<void> {
    const asked = this.#asked;
    this.#asked = [];
    const sent: Promise<void>[] = [];
    cutInPieces(asked, mostKeysPerCall, sharedCutting, (some) => sent.push(this.#send(some)));
    await Promise.all(sent);
  }

  /** Never rejects. */
  async #send(writes: readonly SharedWrite[]): Promise<void> {
    const { bus, clock } = this.#context;
    const keys = writes.map(({ key }) => key);
    let failure: { readonly error: unknown } | undefined;
    try {
      await this.#shared.putNow(writes);
    } catch (error) {
      failure = { error };
      this.#shared.owe(keys, true);
    }
    const now = clock.monotonic();
    for (const write of writes) this.#end(write, failure, now);
    bus?.announce(keys, failure === undefined);
  }

  #end(
    { key, value, entry, began, release, resolve, reject }: SharedWrite,
    failure: { readonly error: unknown } | undefined,
    now: number,
  ): void {
    const context = this.#context;
    let outcome = "ok";
    try {
      keepOnly(context, key, entry);
      if (failure !== undefined) tolerateCacheError(context, failureFor(key, failure.error), "set", "shared-cache");
      resolve(value);
    } catch (error) {
      outcome = "error";
      reject(failureNaming({ operation: "set", key }, error));
    }
    release();
    context.meters.latency("set", outcome).observe((now - began) / 1_000);
  }
}
