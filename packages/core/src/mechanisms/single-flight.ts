import type { EntryOwner } from "../values/entry.ts";
import type { FillGuard, FillToken } from "./fill-guard.ts";

/**
 * One load under way, which any number of callers share. It has two stages: `fetched`, what the tiers and the store
 * say, and `loaded`, which runs a loader where they had nothing. Readers wait for the first, callers of a loader for
 * the second.
 */
export class Flight<F, L> {
  readonly key: string;
  readonly token: FillToken;
  /** Whether it asks the authority whatever the caches hold. */
  readonly forced: boolean;
  readonly fetched: Promise<F>;
  /** Set by the first caller that brings a loader. */
  loaded: Promise<L> | undefined;
  readonly #controller: AbortController = new AbortController();
  #waiters = 0;
  #detached = false;

  constructor(key: string, token: FillToken, forced: boolean, fetch: (flight: Flight<F, L>) => Promise<F>) {
    this.key = key;
    this.token = token;
    this.forced = forced;
    this.fetched = fetch(this);
  }

  /** Aborted once every caller has left. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** From now on the flight goes on even when nobody waits. */
  detach(): void {
    this.#detached = true;
  }

  enter(): void {
    this.#waiters++;
  }

  leave(): void {
    if (--this.#waiters === 0 && !this.#detached) this.#controller.abort();
  }
}

/**
 * Coalesces loads: one flight per key and fill token. A flight whose token was voided, or that began in an older
 * generation, answers only those who joined it before; the next caller starts another.
 */
export class SingleFlight<F, L> {
  readonly #flights: Map<string, Flight<F, L>> = new Map();
  readonly #fills: FillGuard;
  readonly #ends: Set<Promise<void>> = new Set();

  constructor(fills: FillGuard) {
    this.#fills = fills;
  }

  /** The flight that a caller arriving now may join. @param forced It joins only one that asks the authority. */
  current(key: string, owner: EntryOwner, forced: boolean): Flight<F, L> | undefined {
    const flight = this.#flights.get(key);
    if (flight === undefined || !this.#fills.isValid(flight.token)) return undefined;
    if (forced && !flight.forced) return undefined;
    return flight.token.generation === owner.generation ? flight : undefined;
  }

  start(key: string, owner: EntryOwner, forced: boolean, fetch: (flight: Flight<F, L>) => Promise<F>): Flight<F, L> {
    const flight = new Flight<F, L>(key, this.#fills.take(key, owner), forced, fetch);
    this.#flights.set(key, flight);
    const end = this.#end(flight);
    this.#ends.add(end);
    void end.then(() => this.#ends.delete(end));
    return flight;
  }

  async #end(flight: Flight<F, L>): Promise<void> {
    // Callers see failures through their own promise; here they only mark the end of a stage.
    await flight.fetched.catch(() => undefined);
    if (flight.loaded !== undefined) await flight.loaded.catch(() => undefined);
    if (this.#flights.get(flight.key) === flight) this.#flights.delete(flight.key);
    this.#fills.release(flight.token);
  }

  /** Resolves once every flight that is under way has ended. Never rejects. */
  async landed(): Promise<void> {
    await Promise.all(this.#ends);
  }

  get size(): number {
    return this.#flights.size;
  }
}
