import {
  entriesOf,
  instantOf,
  keysOf,
  type LoadOptions,
  limited,
  type ReadOptions,
  readRequest,
  requireFunction,
  type SetOptions,
  timeoutOf,
  warmupRequest,
  writeRequest,
} from "./call-options.ts";
import type { WarpError } from "./errors.ts";
import { type Inspection, inspectKey } from "./inspect.ts";
import type { CoarseClock } from "./mechanisms/coarse-clock.ts";
import { type Hits, Node } from "./node.ts";
import type { NodesListener } from "./node-watch.ts";
import type { WarpOptions } from "./options.ts";
import { type Context, registrationFor, requireOpen } from "./paths/context.ts";
import type { Lock } from "./paths/held-lock.ts";
import { valueAt } from "./paths/history.ts";
import { clearAll, invalidateKey } from "./paths/invalidate.ts";
import { joinLoad } from "./paths/join.ts";
import type { GrantLeaseOptions, LeaseOptions, RenewLeaseOptions } from "./paths/lease.ts";
import type { Lease } from "./paths/lease-book.ts";
import type { Loader } from "./paths/load.ts";
import { acquireLock, type LockOptions } from "./paths/lock.ts";
import { getManyKeys, getOrSetManyKeys, type ManyLoader, setManyKeys } from "./paths/many.ts";
import { peekKey } from "./paths/peek.ts";
import { readKey, readPlainly, requireFound } from "./paths/read.ts";
import { setHere } from "./paths/set-here.ts";
import { Transaction } from "./paths/transaction.ts";
import { type WarmupOptions, type WarmupProgress, warmupAll } from "./paths/warmup.ts";
import { deleteKey, setKey, writeShared } from "./paths/write.ts";
import type { DynamicTtlOptions, QuorumOptions, RegisterOptions } from "./register-options.ts";
import type { NodeStatus } from "./status.ts";
import { type KeyOf, runTransaction, type TransactionOptions, TypedTransaction } from "./typed-transaction.ts";
import type { Cancel } from "./values/clock.ts";
import type { Duration } from "./values/duration.ts";
import { type Entry, markVisited } from "./values/entry.ts";
import type { CallLimits } from "./values/limits.ts";

/**
 * One node: the caches, the store and the bus of this process behind one object that keeps them consistent with every
 * other node's. `Keys` types the keys: `Warp<{ config: Config; [key: `user:${string}`]: User }>`.
 */
export class Warp<Keys extends object = Record<string, unknown>> implements AsyncDisposable {
  readonly #entries: Hits;
  readonly #clock: CoarseClock;
  readonly #context: Context;
  readonly #node: Node;

  /** Does no I/O. @throws {WarpError} `INVALID_ARGUMENT` naming the option; `UNSUPPORTED` for a port of another version. */
  constructor(options: WarpOptions = {}) {
    this.#node = new Node(options);
    this.#context = this.#node.context;
    this.#entries = this.#node.entries;
    this.#clock = this.#context.now;
  }

  /**
   * Resolves once this node hears the bus and the change feed, that one for at most twice `deadlines.store`; where the
   * shared tier is all that keeps values, also once that takes them or has failed to answer (with a bus, about 2 s after
   * it is heard if no other node is there). A `set` before that waits for it too.
   */
  ready(): Promise<void> {
    return this.#node.ready();
  }

  /**
   * Says how the keys of a pattern are kept. Required before any call on them.
   * @returns `false` if that pattern is registered already.
   * @throws {WarpError} `INVALID_ARGUMENT` naming the option; `UNSUPPORTED` naming what the mode lacks.
   */
  register<K extends KeyOf<Keys>>(pattern: string, options: RegisterOptions<Keys[K]>): boolean {
    return this.#node.registrations.registerFixed(pattern, options as RegisterOptions);
  }

  /** As `register`, with lives that a strategy decides entry by entry. */
  registerDynamicTtl<K extends KeyOf<Keys>>(pattern: string, options: DynamicTtlOptions<Keys[K]>): boolean {
    return this.#node.registrations.registerDynamic(pattern, options as DynamicTtlOptions);
  }

  /**
   * How many nodes, the writer among them, must acknowledge a strong write, and in how many zones. Default: a majority of
   * those heard of; `{}` sets that again. @returns `false` if the pattern is unknown.
   * @throws {WarpError} `INVALID_ARGUMENT`; `UNSUPPORTED` for keys of another mode; `CLOSED`.
   */
  setQuorum(pattern: string, quorum: number | QuorumOptions): boolean {
    return this.#node.registrations.setQuorum(pattern, quorum);
  }

  /** Ends a registration: what waits for the store is flushed, its entries are dropped. @returns `false` if unknown. */
  unregister(pattern: string): Promise<boolean> {
    return this.#node.registrations.unregister(pattern);
  }

  /**
   * Reads `key` from the nearest tier that holds a live copy, else from the store. A hit on the local tier costs a map
   * lookup.
   * @returns The value; see `find` for a miss that is no error.
   * @throws {WarpError} `NOT_FOUND`; `UNREGISTERED`; `DEADLINE_EXCEEDED` after `hardTimeout`; `UNAVAILABLE` if the store
   *   cannot be reached and the registration has no `failSafe`; `ABORTED`; `CORRUPT`; `CLOSED`.
   */
  get<K extends KeyOf<Keys>>(key: K, options?: ReadOptions): Promise<Keys[K]> {
    const entry = this.#entries.get(key);
    if (options === undefined && entry !== undefined && this.#isFresh(entry)) return this.#hit("get", entry);
    return readPlainly(this.#context, "get", key, options) ?? this.#getSlowly(key, options);
  }

  /** As `get`, but `undefined` for a key that neither a cache nor the store has. */
  find<K extends KeyOf<Keys>>(key: K, options?: ReadOptions): Promise<Keys[K] | undefined> {
    const entry = this.#entries.get(key);
    if (options === undefined && entry !== undefined && this.#isFresh(entry)) return this.#hit("find", entry);
    return readPlainly(this.#context, "find", key, options) ?? this.#read("find", key, options);
  }

  /**
   * What the local tier can serve right now, synchronously; `undefined` for anything else, and for strong keys.
   * @throws {WarpError} `UNREGISTERED`, `INVALID_ARGUMENT`, `CLOSED`.
   */
  peek<K extends KeyOf<Keys>>(key: K): Keys[K] | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || !this.#isFresh(entry)) return peekKey(this.#context, key) as Keys[K] | undefined;
    markVisited(entry);
    entry.registration.hits++;
    return entry.value as Keys[K];
  }

  /**
   * Reads `key` as `get` does, and where nobody has it, runs `loader` and keeps what it makes: in the store, if that still
   * holds what was there before the loader began, and in the caches. Callers that come meanwhile share the load.
   * @returns The value, or what somebody else stored meanwhile; `undefined` if the loader says that it does not exist.
   * @throws The loader's own error; {WarpError} as `get`, and `INVALID_VALUE`, `OUTCOME_UNKNOWN`.
   */
  getOrSet<K extends KeyOf<Keys>>(
    key: K,
    loader: Loader<Keys[K]>,
    options?: LoadOptions,
  ): Promise<Keys[K] | undefined> {
    const entry = this.#entries.get(key);
    if (options === undefined && entry !== undefined && this.#isFresh(entry)) return this.#hit("getOrSet", entry);
    const load = options === undefined && entry === undefined ? joinLoad(this.#context, key) : undefined;
    return (load as Promise<Keys[K]> | undefined) ?? this.#read("getOrSet", key, options, loader as Loader<unknown>);
  }

  /** Reads many keys in one round trip to each tier. @returns What there is. @throws {WarpError} with `errors`. */
  getMany<K extends KeyOf<Keys>>(keys: readonly K[], options?: ReadOptions): Promise<Map<K, Keys[K]>> {
    return this.#timed("getMany", () => getManyKeys(this.#context, keysOf(keys), readRequest("getMany", options)));
  }

  /** As `getMany`, with one run of `load` for all keys that nobody has. */
  getOrSetMany<K extends KeyOf<Keys>>(
    keys: readonly K[],
    load: ManyLoader<Keys[K]>,
    options?: LoadOptions,
  ): Promise<Map<K, Keys[K]>> {
    return this.#timed("getOrSetMany", () => {
      requireFunction("load", load);
      return getOrSetManyKeys(this.#context, keysOf(keys), load, readRequest("getOrSetMany", options));
    });
  }

  /**
   * Writes a value: merged with what is there, to the store, to the caches, and to the other nodes as an invalidation.
   * @returns The value as stored.
   * @throws {WarpError} `INVALID_VALUE`; `UNAVAILABLE` and `DEADLINE_EXCEEDED` (port `store`): nothing has changed; `OUTCOME_UNKNOWN`;
   *   `OVERLOADED` (strong-local); `ABORTED`; `UNREGISTERED`; `CLOSED`.
   */
  set<K extends KeyOf<Keys>>(key: K, value: Keys[K], options?: SetOptions): Promise<Keys[K]> {
    if (options === undefined && setHere(this.#context, key, value)) return Promise.resolve(value);
    return writeShared(this.#context, key, value, options) ?? this.#setSlowly(key, value, options);
  }

  /** Independent writes in shared round trips. @returns The values as stored. @throws {WarpError} with `errors`. */
  setMany<K extends KeyOf<Keys>>(
    entries: Iterable<readonly [K, Keys[K]]>,
    options?: CallLimits,
  ): Promise<Map<K, Keys[K]>> {
    const work = () => setManyKeys(this.#context, entriesOf(entries), writeRequest("setMany", options));
    return this.#timed("setMany", work);
  }

  /** Removes `key` from the store, then from every tier of every node. @returns Whether there was a value. */
  delete(key: KeyOf<Keys>, options?: SetOptions): Promise<boolean> {
    return this.#timed("delete", () => deleteKey(this.#context, key, writeRequest("delete", options)));
  }

  /** Drops `key` from every tier of every node; the store keeps it. */
  invalidate(key: KeyOf<Keys>, options?: CallLimits): Promise<void> {
    const work = () => limited(this.#context, "invalidate", options, () => invalidateKey(this.#context, key));
    return this.#timed("invalidate", work);
  }

  /** Drops everything from every tier of every node; the store keeps it. */
  async clear(options?: CallLimits): Promise<void> {
    requireOpen(this.#context, "clear");
    await limited(this.#context, "clear", options, () => clearAll(this.#context));
  }

  /** Loads what is registered into the caches, until the local one is full. */
  async warmup(options: WarmupOptions = {}): Promise<WarmupProgress> {
    requireOpen(this.#context, "warmup");
    return await warmupAll(this.#context, warmupRequest(options));
  }

  /** Begins a transaction. */
  txn(): TypedTransaction<Keys> {
    requireOpen(this.#context, "txn");
    return new TypedTransaction<Keys>(new Transaction(this.#context));
  }

  /**
   * Runs `work` in a transaction and commits it; starts again after a `CONFLICT`. @returns What `work` returned.
   * @throws What `work` throws; {WarpError} as `commit`; `ABORTED` and `DEADLINE_EXCEEDED`: nothing has changed.
   */
  transaction<T>(
    work: (transaction: TypedTransaction<Keys>) => T | Promise<T>,
    options: TransactionOptions = {},
  ): Promise<T> {
    return this.#timed("transaction", () => runTransaction(this.#context, () => this.txn(), work, options));
  }

  /** The value as of `at`, dated by the store's commits, else by this node. @throws {WarpError} `HISTORY_UNAVAILABLE`, `NOT_FOUND`. */
  getAt<K extends KeyOf<Keys>>(key: K, at: Date | number, options?: CallLimits): Promise<Keys[K]> {
    return this.#timed("getAt", async () => {
      const registration = registrationFor(this.#context, key, "getAt");
      const instant = instantOf("at", at);
      const work = (): Promise<unknown> => valueAt(this.#context, registration, key, instant);
      return requireFound(await limited(this.#context, "getAt", options, work), key, "getAt");
    });
  }

  /**
   * Begins a lease: keys attached to it are dropped together, from every cache of every node, when it is revoked or
   * expires by the store's clock. Costs one commit. @returns Plain data: its id works on any node.
   * @throws {WarpError} As `set`; `OUTCOME_UNKNOWN`: nobody has its id, so it is ended again in the background;
   *   `OVERLOADED` beyond 10 000 live leases without a store.
   */
  grantLease(options: GrantLeaseOptions): Promise<Lease> {
    return this.#timed("grantLease", () => this.#node.leases.grant(options));
  }

  /**
   * Attaches a key to a lease, with or without a value. Costs one commit and one read. @throws {WarpError} `LEASE_ENDED`;
   *   as `set`, may be repeated; `OVERLOADED` beyond 100 000 keys without a store.
   */
  attachKey(lease: Lease | string, key: KeyOf<Keys>, options?: LeaseOptions): Promise<void> {
    return this.#timed("attachKey", () => this.#node.leases.attach(lease, key, options));
  }

  /** Begins a lease's time anew. @throws {WarpError} `LEASE_ENDED`, and as `grantLease`; may be repeated. */
  renewLease(lease: Lease | string, options?: RenewLeaseOptions): Promise<Lease> {
    return this.#timed("renewLease", () => this.#node.leases.renew(lease, options));
  }

  /**
   * Ends a lease and drops its keys. Resolves once they are dropped here and in the shared tier and on their way to the
   * other nodes. May be repeated. @returns `false` if it had ended already. @throws {WarpError} As `set`.
   */
  revokeLease(lease: Lease | string, options?: LeaseOptions): Promise<boolean> {
    return this.#timed("revokeLease", () => this.#node.leases.revoke(lease, options));
  }

  /**
   * Takes the lock on a strong key, waiting for whoever holds it, until it is released or its `ttl` is over by the store's
   * clock. Costs a read and a strong write. @throws {WarpError} `UNSUPPORTED` for a key of another mode; as a strong `set`;
   *   `OUTCOME_UNKNOWN`: if it was taken, it is given back in the background.
   */
  lock(key: KeyOf<Keys>, options: LockOptions): Promise<Lock> {
    return this.#timed("lock", () => acquireLock(this.#context, key, options));
  }

  /**
   * Calls `listener` whenever a node joins the cluster (its first frame is heard) or leaves it (a goodbye, or unheard for
   * `memberTimeout`). What it throws goes to `publishErrors()`. @returns Ends it.
   */
  onNodesChanged(listener: NodesListener): Cancel {
    return this.#node.watch.add(listener);
  }

  /** What failed behind the callers' backs. Each error goes to one reader; 1 000 unread ones are kept. */
  publishErrors(): AsyncIterable<WarpError> {
    return this.#context.errors;
  }

  /** How well this node and its collaborators are. */
  status(): NodeStatus {
    return this.#node.status();
  }

  /** What the caches hold for a key, for debugging. */
  async inspect(key: KeyOf<Keys>, options?: CallLimits): Promise<Inspection> {
    const registration = registrationFor(this.#context, key, "inspect");
    return await limited(this.#context, "inspect", options, () => inspectKey(this.#context, registration, key));
  }

  /** The names of the nodes of this cluster, this one first. */
  nodes(): readonly string[] {
    return this.#node.nodes();
  }

  /** Resolves once the store and the bus have everything. @throws {WarpError} `DEADLINE_EXCEEDED`. Default 10 s. */
  async flush(options: { readonly timeout?: Duration } = {}): Promise<void> {
    await this.#node.flush(timeoutOf("flush", options));
  }

  /**
   * Refuses new calls with `CLOSED`, finishes those under way, and closes what Warp itself opened: not the clients.
   * @throws {WarpError} `DEADLINE_EXCEEDED` if something could not be finished in time (default 10 s); it is closed anyway.
   */
  async close(options: { readonly timeout?: Duration } = {}): Promise<void> {
    await this.#node.close(timeoutOf("close", options));
  }

  /** For `await using`: `close()` with its default timeout. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #isFresh(entry: Entry): boolean {
    return entry.generation >= entry.registration.generation && this.#clock.now() < entry.freshUntil;
  }

  // `never`: what it is, the public signature says.
  #hit(operation: string, entry: Entry): Promise<never> {
    markVisited(entry);
    // One hit in 1 024 is timed: timing each would cost more than the hit.
    const isTimed = (++entry.registration.hits & 1023) === 0;
    return (isTimed ? this.#node.timeHit(operation, entry) : Promise.resolve(entry.value)) as Promise<never>;
  }

  #read(operation: string, key: string, options: LoadOptions | undefined, loader?: Loader<unknown>): Promise<never> {
    return this.#timed(operation, () => {
      const request = readRequest(operation, options);
      if (operation === "getOrSet") requireFunction("loader", loader);
      return readKey(this.#context, key, loader === undefined ? request : { ...request, loader });
    });
  }

  // Apart, like the next, since a method that makes a closure allocates what that captures also where it is not made.
  #getSlowly(key: string, options: ReadOptions | undefined): Promise<never> {
    const run = () => readKey(this.#context, key, readRequest("get", options));
    return this.#node.timed("get", run, (value) => requireFound(value, key, "get")) as Promise<never>;
  }

  #setSlowly(key: string, value: unknown, options: SetOptions | undefined): Promise<never> {
    const context = this.#context;
    const run = () => setKey(context, registrationFor(context, key, "set"), key, value, writeRequest("set", options));
    return this.#timed("set", run);
  }

  #timed(operation: string, run: () => unknown): Promise<never> {
    return this.#node.timed(operation, run) as Promise<never>;
  }
}
