import { WarpError } from "../errors.ts";
import { type CommitAnswer, conflictsOf, type Mutation, type Store, type StoredRecord } from "../ports/store.ts";
import type { Clock } from "../values/clock.ts";
import type { OperationId, Revision } from "../values/entry.ts";
import { Batcher } from "./batcher.ts";
import { failureAbout, failureFor, type Guard, type GuardedCall } from "./guard.ts";

/** What became of one attempt to commit, as far as the reply tells. */
export type CommitReply =
  /** `records`: none where nobody asked for them. */
  | { readonly kind: "landed"; readonly records: readonly (StoredRecord | undefined)[] }
  /** Another writer was first. `conflicts`: the keys that moved. */
  | { readonly kind: "lost"; readonly conflicts: ReadonlyMap<string, StoredRecord | undefined> }
  /** It certainly did not take place. */
  | { readonly kind: "refused"; readonly error: WarpError }
  /** Neither yes nor no: it may have landed, or may still land. */
  | { readonly kind: "unknown"; readonly error: WarpError };

interface Lookup {
  readonly key: string;
  readonly unless: Revision | undefined;
  /** What a failure is about, where that is not `key`. */
  readonly call?: GuardedCall | undefined;
}

type Found = StoredRecord | "unchanged" | undefined;

/** The reply to one of several independent commits, and the operation that it was sent under. */
export interface CommitTogether {
  readonly operation: OperationId;
  readonly reply: CommitReply;
}

/** What a store says of what it was sent, and not of itself. */
const blaming: ReadonlySet<string> = new Set(["INVALID_VALUE", "INVALID_ARGUMENT", "UNSUPPORTED", "CORRUPT"]);
/** How long the store's clock is taken to go as it was last heard to, in milliseconds. */
const clockKnownForMs = 1_000;
const mostKeysPerRead = 10_000;
const mostKeysPerCommit = 1_000;

/** The store behind its guard: reads of one turn of the event loop in one round trip, replies to commits told apart. */
export class StoreAccess {
  readonly store: Store;
  readonly guard: Guard;
  readonly #clock: Clock;
  readonly #reads: Batcher<Lookup, Found>;
  readonly #commits: Batcher<Mutation, CommitTogether>;
  readonly #newOperation: () => OperationId;
  readonly #sharesRoundTrips: boolean;
  /** From this node's monotonic clock, which no jump of the wall clock moves, to the store's clock. */
  #offsetMs: number;
  /** Until then the offset is that of this machine's clock, which may be wrong by any amount. */
  #isClockKnown = false;
  /** On the monotonic clock: from then on commits are asked for their time again. */
  #clockStaleFrom = Number.NEGATIVE_INFINITY;

  constructor(store: Store, guard: Guard, clock: Clock, newOperation: () => OperationId) {
    this.store = store;
    this.guard = guard;
    this.#clock = clock;
    this.#offsetMs = clock.now() - clock.monotonic();
    this.#newOperation = newOperation;
    this.#sharesRoundTrips = store.sharedRoundTrips !== false;
    this.#commits = new Batcher((mutations) => this.#commitInTurns(mutations), mostKeysPerCommit);
    this.#reads = new Batcher(
      (lookups) => this.#read(lookups),
      mostKeysPerRead,
      ({ key, call }, error) => (call === undefined ? failureFor(key, error) : failureAbout(call, error)),
    );
  }

  /** @param unless If the record still has this revision, resolves `"unchanged"`. */
  get(key: string, unless?: Revision): Promise<Found> {
    return this.#get({ key, unless });
  }

  /** A record that the caller of Warp does not know of. @param call What errors are about. */
  async getInternal(recordKey: string, call: GuardedCall): Promise<StoredRecord | undefined> {
    return (await this.#get({ key: recordKey, unless: undefined, call })) as StoredRecord | undefined;
  }

  /** Whether commits of one key each are better sent as one. */
  get joinsCommits(): boolean {
    return this.store.atomicBatch && this.#sharesRoundTrips;
  }

  /** As `get`, sent now and shared with nobody. */
  readOne(key: string, unless: Revision | undefined): Promise<Found> {
    return this.#readAlone({ key, unless });
  }

  /** Independent reads that are sent now, together where that is cheaper; answers in the order of `keys`. @param unless As in `get`. */
  readEach(keys: readonly string[], unless: readonly (Revision | undefined)[]): Promise<readonly Found[]> {
    if (this.#sharesRoundTrips) return this.readNow(keys, unless);
    return Promise.all(keys.map((key, index) => this.readOne(key, unless[index])));
  }

  /** As one state of the store, in one statement that is sent now and shared with nobody. @param unless As in `get`. */
  readNow(keys: readonly string[], unless: readonly (Revision | undefined)[]): Promise<readonly Found[]> {
    return this.#read(keys.map((key, index) => ({ key, unless: unless[index] })));
  }

  /** The records of `keys`, as one state of the store. */
  async getMany(keys: readonly string[], call: GuardedCall): Promise<readonly (StoredRecord | undefined)[]> {
    const found = await this.guard.call(call, (options) => this.store.getMany(keys, undefined, options));
    return found as readonly (StoredRecord | undefined)[];
  }

  /** @param answer `"none"`: the caller reads no records. Now and then they are asked for all the same: they tell the time. */
  async commit(
    operation: OperationId,
    mutations: readonly Mutation[],
    call: GuardedCall,
    answer: CommitAnswer = "records",
  ): Promise<CommitReply> {
    const asked = this.#clock.monotonic() < this.#clockStaleFrom ? answer : "records";
    let sent = false;
    let refusal: unknown;
    try {
      const records = await this.guard.call(call, async (options) => {
        sent = true;
        try {
          return await this.store.commit(operation, mutations, options, asked);
        } catch (error) {
          // Only an adapter that knows says so with a WarpError: anything else may hide a commit that landed.
          if (WarpError.is(error)) refusal = error;
          throw error;
        }
      });
      this.#learn(operation, records);
      return { kind: "landed", records };
    } catch (error) {
      const conflicts = conflictsOf(error);
      if (conflicts !== undefined) return { kind: "lost", conflicts };
      return { kind: sent && error !== refusal ? "unknown" : "refused", error: error as WarpError };
    }
  }

  /**
   * Commits one key, in one round trip with whatever else is committed so within this turn of the event loop. Those
   * that lose a race are told so; the others are sent again without them.
   */
  commitWithOthers(mutation: Mutation): Promise<CommitTogether> {
    return this.#commits.add(mutation);
  }

  /**
   * One commit takes one mutation of a key: a second one, of a caller whose predecessor left and let go of the key
   * within this turn, comes after it.
   */
  async #commitInTurns(mutations: readonly Mutation[]): Promise<readonly CommitTogether[]> {
    const outcomes = new Map<Mutation, CommitTogether>();
    for (let left = mutations; left.length > 0; left = left.filter((one) => !outcomes.has(one))) {
      const turn = [...new Map([...left].reverse().map((one) => [one.key, one])).values()];
      const replies = await this.#commitTogether(turn);
      turn.forEach((one, index) => {
        outcomes.set(one, replies[index] as CommitTogether);
      });
    }
    return mutations.map((one) => outcomes.get(one) as CommitTogether);
  }

  async #commitTogether(mutations: readonly Mutation[]): Promise<readonly CommitTogether[]> {
    const operation = this.#newOperation();
    const reply = await this.commit(operation, mutations, { operation: "set" });
    if (reply.kind === "landed") {
      return mutations.map((_, index) => ({ operation, reply: { kind: "landed", records: [reply.records[index]] } }));
    }
    if (reply.kind === "refused" && mutations.length > 1 && blaming.has(reply.error.code)) {
      // It may be for one of them, and the others have nothing to do with that.
      const half = mutations.length >> 1;
      const halves = [mutations.slice(0, half), mutations.slice(half)];
      return (await Promise.all(halves.map((some) => this.#commitTogether(some)))).flat();
    }
    if (reply.kind !== "lost") {
      return mutations.map(({ key }) => {
        const error = failureFor(key, reply.error) as WarpError;
        return { operation, reply: { ...reply, error } };
      });
    }
    const { conflicts } = reply;
    const others = mutations.filter(({ key }) => !conflicts.has(key));
    const retried = others.length === 0 || others.length === mutations.length ? [] : await this.#commitTogether(others);
    const outcomes = new Map(others.map(({ key }, index) => [key, retried[index]]));
    return mutations.map(({ key }) => {
      const lost = { operation, reply: { kind: "lost" as const, conflicts: new Map([[key, conflicts.get(key)]]) } };
      return outcomes.get(key) ?? lost;
    });
  }

  /** The store's clock as last heard, in milliseconds since the epoch. */
  estimatedNow(): number {
    return this.#clock.monotonic() + this.#offsetMs;
  }

  /** Milliseconds until `at` by the store's clock; 0 if nobody knows what it says. Asks the store at most once. */
  async leftUntil(at: number): Promise<number> {
    if (!this.#isClockKnown) await this.now({ operation: "get" }).catch(() => undefined);
    return this.#isClockKnown ? Math.max(0, at - this.estimatedNow()) : 0;
  }

  /** Asks the store for its clock. */
  async now(call: GuardedCall): Promise<number> {
    const now = await this.guard.call(call, (options) => this.store.now(options));
    this.#heard(now);
    return now;
  }

  #get(lookup: Lookup): Promise<Found> {
    return this.#sharesRoundTrips ? this.#reads.add(lookup) : this.#readAlone(lookup);
  }

  #readAlone({ key, unless, call = { operation: "get", key } }: Lookup): Promise<Found> {
    return this.guard.call(call, (options) => this.store.get(key, unless, options));
  }

  #learn(operation: OperationId, records: readonly (StoredRecord | undefined)[]): void {
    // A record that was only checked may be of any age.
    const record = records.find((candidate) => candidate?.revision === operation);
    if (record !== undefined) this.#heard(record.committedAt);
  }

  /** @param now By the store's clock, at some time since it was asked: the slower the answer, the more it is behind. */
  #heard(now: number): void {
    const here = this.#clock.monotonic();
    const offsetMs = now - here;
    this.#isClockKnown = true;
    if (here < this.#clockStaleFrom) {
      this.#offsetMs = Math.max(this.#offsetMs, offsetMs);
      return;
    }
    this.#offsetMs = offsetMs;
    this.#clockStaleFrom = here + clockKnownForMs;
  }

  async #read(lookups: readonly Lookup[]): Promise<readonly Found[]> {
    const [first] = lookups;
    if (first !== undefined && lookups.length === 1) return [await this.#readAlone(first)];
    const keys = lookups.map(({ key }) => key);
    const unless = lookups.map((lookup) => lookup.unless);
    return await this.guard.call({ operation: "get" }, (options) => this.store.getMany(keys, unless, options));
  }
}
