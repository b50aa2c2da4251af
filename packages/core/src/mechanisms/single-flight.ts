import type { EntryOwner } from "../values/entry.ts";
import type { FillGuard, FillToken } from "./fill-guard.ts";
import { TransientMap } from "./transient-map.ts";

/** Callers who came at one time, on the monotonic clock. */
export interface JoinedCallers {
  readonly since: number;
  callers: number;
}

/** What fail-safe may serve where a load fails, found by that load. */
export interface StaleCopy {
  readonly value: unknown;
  /** The shared tier's epoch under which it was put. */
  readonly epoch: string | undefined;
  /** On the monotonic clock. */
  readonly until: number;
}

/**
 * One load under way, which any number of callers share. It has two stages: `fetched`, what the tiers and the store
 * say, and `loaded`, which runs a loader where they had nothing. Readers wait for the first, callers of a loader for
 * the second.
 */
export class Flight<F, L> {
  readonly key: string;
  /** The registration that the key fell under when the load began. */
  readonly owner: EntryOwner;
  readonly token: FillToken;
  /** Whether it asks the authority whatever the caches hold. */
  readonly forced: boolean;
  readonly fetched: Promise<F>;
  /** Set by the first caller that brings a loader. */
  loaded: Promise<L> | undefined;
  /** Set by the first stage. */
  stale: StaleCopy | undefined;
  /** Those who share `loaded` itself. */
  joined: JoinedCallers[] | undefined;
  // Made when somebody listens: most loads have no loader, and aborting one costs more than all the rest of a miss.
  #controller: AbortController | undefined;
  #reason: unknown;
  #waiters = 0;
  #detached = false;
  #aborted = false;

  constructor(
    key: string,
    owner: EntryOwner,
    token: FillToken,
    forced: boolean,
    fetch: (flight: Flight<F, L>) => Promise<F>,
  ) {
    this.key = key;
    this.owner = owner;
    this.token = token;
    this.forced = forced;
    this.fetched = fetch(this);
  }

  /** Aborted once every caller has left. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** As `signal.aborted`, which costs a stampede more than all the rest of joining. */
  get aborted(): boolean {
    return this.#aborted;
  }

  /** From now on the flight goes on even when nobody waits. @returns Whether it did not before. */
  detach(): boolean {
    const first = !this.#detached;
    this.#detached = true;
    return first;
  }

  enter(): void {
    this.#waiters++;
  }

  /** A caller goes without an answer: what still runs for nobody is to end. */
  leave(): void {
    if (--this.#waiters === 0 && !this.#detached) this.abort();
  }

  /** A caller goes with its answer. @param isLast Of the last stage: nothing runs any more. */
  answered(isLast: boolean): void {
    if (!isLast && this.loaded !== undefined) this.leave();
    else this.#waiters--;
  }

  /** Ends it whoever waits. */
  abort(reason?: unknown): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#reason = reason;
    this.#controller?.abort(reason);
  }
}

/**
 * Coalesces loads: one flight per key and fill token. A flight whose token was voided, or that began in an older
 * generation, answers only those who joined it before; the next caller starts another.
 */
export class SingleFlight<F, L> {
  readonly #flights: TransientMap<Flight<F, L>> = new TransientMap();
  readonly #fills: FillGuard;
  /** Under way still, though nobody may join them any more. */
  readonly #overtaken: Set<Flight<F, L>> = new Set();

  constructor(fills: FillGuard) {
    this.#fills = fills;
  }

  /** The flight that a caller arriving now may join. @param forced It joins only one that asks the authority. */
  current(key: string, owner: EntryOwner, forced: boolean): Flight<F, L> | undefined {
    const flight = this.#flights.get(key);
    if (flight === undefined || flight.owner !== owner || flight.aborted || !this.#fills.isValid(flight.token))
      return undefined;
    if (forced && !flight.forced) return undefined;
    return flight.token.generation === owner.generation ? flight : undefined;
  }

  /**
   * As `current`, for a caller who does not know the registration: while its generation stands, the key is still the
   * one's that the load began under.
   */
  ofSameOwner(key: string): Flight<F, L> | undefined {
    const flight = this.#flights.get(key);
    if (flight === undefined || flight.aborted || !this.#fills.isValid(flight.token)) return undefined;
    return flight.token.generation === flight.owner.generation ? flight : undefined;
  }

  start(key: string, owner: EntryOwner, forced: boolean, fetch: (flight: Flight<F, L>) => Promise<F>): Flight<F, L> {
    const former = this.#flights.get(key);
    if (former !== undefined) {
      this.#overtaken.add(former);
      // It was not good enough for this caller: what it still brings must not end up over what this one brings.
      if (this.#fills.isValid(former.token)) this.#fills.void(key);
    }
    const flight = new Flight<F, L>(key, owner, this.#fills.take(key, owner), forced, fetch);
    this.#flights.set(key, flight);
    // Callers see failures through their own promise; here they only mark the end of a stage.
    const onFetched = (): void => this.#fetched(flight);
    flight.fetched.then(onFetched, onFetched);
    return flight;
  }

  #fetched(flight: Flight<F, L>): void {
    if (flight.loaded === undefined) {
      this.#end(flight);
      return;
    }
    const onLoaded = (): void => this.#end(flight);
    flight.loaded.then(onLoaded, onLoaded);
  }

  #end(flight: Flight<F, L>): void {
    if (this.#flights.get(flight.key) === flight) this.#flights.delete(flight.key);
    else this.#overtaken.delete(flight);
    this.#fills.release(flight.token);
  }

  /** Resolves once every flight that is under way has ended. Never rejects. */
  async landed(): Promise<void> {
    const ended = async (flight: Flight<F, L>): Promise<void> => {
      await flight.fetched.catch(() => undefined);
      await flight.loaded?.catch(() => undefined);
    };
    await Promise.all(this.#underWay().map(ended));
  }

  /** Ends every load that is under way, whoever waits. */
  abortAll(reason: unknown): void {
    for (const flight of this.#underWay()) flight.abort(reason);
  }

  #underWay(): readonly Flight<F, L>[] {
    return [...this.#flights.values(), ...this.#overtaken];
  }

  get size(): number {
    return this.#flights.size;
  }
}
