import { cutInPieces } from "../mechanisms/batcher.ts";
import type { FillToken } from "../mechanisms/fill-guard.ts";
import { failureFor } from "../mechanisms/guard.ts";
import type { Registration } from "../mechanisms/registration.ts";
import { mostKeysPerCall, type SharedAccess, sharedCutting } from "../mechanisms/shared-access.ts";
import { TransientMap } from "../mechanisms/transient-map.ts";
import type { SharedSlot } from "../ports/shared-cache.ts";
import { type Context, type Fetched, tolerateCacheError } from "./context.ts";
import { type Fetch, readSlot, type SharedAnswer, settleFetch, silent } from "./fetch.ts";
import { notFound } from "./read.ts";
import { isOut } from "./tiers.ts";
import { ofCall, type ReadFlight } from "./waiting.ts";

/** Fail-safe has no part in these reads. */
const onStale = (): void => {};

type Operation = "get" | "find";

/** One read of a key, which callers who come before its answer share. */
class SharedRead implements Fetch {
  readonly context: Context;
  readonly operation: Operation;
  readonly key: string;
  readonly registration: Registration;
  readonly token: FillToken;
  readonly entry: undefined = undefined;
  readonly forced: false = false;
  readonly onStale: () => void = onStale;
  /** On the monotonic clock. */
  readonly began: number;
  readonly promise: Promise<unknown>;
  callers = 1;
  resolve: (value: unknown) => void = onStale;
  reject: (error: unknown) => void = onStale;

  constructor(context: Context, operation: Operation, key: string, registration: Registration) {
    this.context = context;
    this.operation = operation;
    this.key = key;
    this.registration = registration;
    this.token = context.fills.take(key, registration);
    this.began = context.clock.monotonic();
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }
}

/**
 * Reads of keys that the local tier does not hold, of the plain kind, which most are: whoever reads waits as long as it
 * takes, and takes nothing less. Such a read that the shared tier can answer costs one promise. What it cannot answer
 * goes on like every other load.
 */
export class SharedReads {
  readonly #context: Context;
  readonly #shared: SharedAccess;
  readonly #open: TransientMap<SharedRead> = new TransientMap();
  #asked: SharedRead[] = [];

  constructor(context: Context, shared: SharedAccess) {
    this.#context = context;
    this.#shared = shared;
  }

  /** @returns `undefined` if it is not of the plain kind, or a load is under way already. */
  ask(operation: Operation, key: string): Promise<unknown> | undefined {
    const context = this.#context;
    if (!context.isOpen() || context.tracer !== undefined || isOut(context) || this.#shared.owes(key)) return undefined;
    const registration = context.resolve(key);
    if (registration === undefined || !registration.readsPlainly) return undefined;
    if (context.dirty?.isPartial(key) === true || context.local?.isolate === "clone") return undefined;
    if (context.local?.get(key) !== undefined) return undefined;
    if (context.flights.size > 0 && context.flights.current(key, registration, false) !== undefined) return undefined;
    const open = this.#open.get(key);
    if (open !== undefined && this.#isShared(open, registration)) {
      if (open.operation !== operation) return undefined;
      registration.meters.loadsSaved++;
      open.callers++;
      return open.promise;
    }
    const read = new SharedRead(context, operation, key, registration);
    this.#open.set(key, read);
    // After the microtasks that are due: whoever was woken by the same reply asks together.
    if (this.#asked.push(read) === 1) process.nextTick(() => this.#flush());
    return read.promise;
  }

  /** Whether a caller who comes now may share a read: nothing has overtaken it. */
  #isShared({ token, registration }: SharedRead, now: Registration): boolean {
    return registration === now && token.generation === now.generation && this.#context.fills.isValid(token);
  }

  #flush(): void {
    const asked = this.#asked;
    this.#asked = [];
    cutInPieces(asked, mostKeysPerCall, sharedCutting, (reads) => {
      const work = this.#send(reads);
      void work.then(this.#context.background.add(work));
    });
  }

  /** Never rejects. */
  async #send(reads: readonly SharedRead[]): Promise<void> {
    // Before the slots are read: an entry put later must not pass for one of a later epoch.
    const epoch = this.#context.epochs?.trusted;
    let slots: readonly SharedSlot[] | undefined;
    let failure: unknown;
    try {
      slots = await this.#shared.readNow(reads.map(({ key }) => key));
    } catch (error) {
      failure = error;
    }
    const now = this.#context.clock.monotonic();
    for (const [index, read] of reads.entries()) this.#take(read, slots?.[index], failure, epoch, now);
  }

  #take(
    read: SharedRead,
    slot: SharedSlot | undefined,
    failure: unknown,
    epoch: string | undefined,
    now: number,
  ): void {
    const { context, key, operation } = read;
    let answer: SharedAnswer = silent;
    try {
      if (slot !== undefined) answer = readSlot(read, this.#shared, slot, epoch);
      else tolerateCacheError(context, failureFor(key, failure), "get", "shared-cache");
    } catch (error) {
      this.#end(read);
      this.#observe(read, "error", now);
      read.reject(ofCall(read, error));
      return;
    }
    this.#end(read);
    const { fetched } = answer;
    if (fetched === undefined) read.resolve(this.#goOn(read, answer));
    else {
      this.#observe(read, "ok", now);
      if (operation === "find" || fetched.value !== undefined) read.resolve(fetched.value);
      else read.reject(notFound(key, operation));
    }
  }

  #end({ context, key, token }: SharedRead): void {
    context.fills.release(token);
    if (this.#open.get(key)?.token === token) this.#open.delete(key);
  }

  #observe({ context, operation, began, callers }: SharedRead, outcome: string, now: number): void {
    const latency = context.meters.latency(operation, outcome);
    for (let caller = 0; caller < callers; caller++) latency.observe((now - began) / 1_000);
  }

  /** The load that follows where the shared tier has no answer. */
  async #goOn(read: SharedRead, answer: SharedAnswer): Promise<unknown> {
    const { context, key, registration, operation } = read;
    const load = ({ token }: ReadFlight): Promise<Fetched> =>
      settleFetch({ context, key, registration, token, entry: undefined, forced: false, onStale }, answer);
    let flight = context.flights.current(key, registration, false);
    if (flight === undefined) flight = context.flights.start(key, registration, false, load);
    else registration.meters.loadsSaved++;
    flight.enter();
    let fetched: Fetched;
    try {
      fetched = await flight.fetched;
      flight.answered(false);
    } catch (error) {
      flight.detach();
      this.#observe(read, "error", context.clock.monotonic());
      throw ofCall(read, error);
    }
    this.#observe(read, "ok", context.clock.monotonic());
    if (operation === "get" && fetched.value === undefined) throw notFound(key, operation);
    return fetched.value;
  }
}
