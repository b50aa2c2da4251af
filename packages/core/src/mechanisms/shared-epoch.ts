import { type Clock, delay } from "../values/clock.ts";
import type { Random } from "../values/random.ts";
import { backoffMs } from "./retry.ts";
import type { SharedAccess } from "./shared-access.ts";

export interface SharedEpochOptions {
  readonly shared: SharedAccess;
  readonly clock: Clock;
  readonly random: Random;
  /** How long to wait for a peer to name an epoch before setting one; 0 where nobody could. */
  readonly patienceMs: number;
  /** The bound of the random wait before an epoch is replaced. */
  readonly jitterMs: number;
  /** Told when this node stops trusting an epoch: what it read under it may be as old as what stands in the tier. */
  readonly onDistrust: () => void;
}

const pauses = { firstMs: 100, longestMs: 5_000 };
const mostDistrusted = 64;

/**
 * Which epoch of the shared tier this node trusts (rule 3): only one that it set itself or that a peer names. An entry of
 * another epoch is suspect. States: none trusted, looking for one; trusting one. `renew` leads from the second to the
 * first, and to a new epoch, unless somebody else is quicker.
 */
export class SharedEpoch {
  readonly #options: SharedEpochOptions;
  #trusted: string | undefined;
  readonly #distrusted: Set<string> = new Set();
  /** Counts events: what began before the last one is out of date. */
  #round = 0;
  /** An event has come, and what stood in the tier at that time is not yet known: a peer may name just that. */
  #isAsking = false;
  #ended = false;
  /** A try to find one is under way, or about to begin: a node's first. */
  #isTrying = true;
  #waiting: (() => void)[] = [];

  constructor(options: SharedEpochOptions) {
    this.#options = options;
  }

  get trusted(): string | undefined {
    return this.#trusted;
  }

  /**
   * Resolves once an epoch is trusted, or the try to find one that is under way has failed; at once where none is.
   * Takes two calls at most and the patience between them.
   */
  sought(): Promise<void> {
    if (this.#trusted !== undefined || !this.#isTrying || this.#ended) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #tried(): void {
    this.#isTrying = false;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Trusts what a peer names within `patienceMs`, else sets one. Whoever was told that a new one is on its way waits so. */
  seek(): void {
    this.#distrust();
    void this.#find(this.#options.patienceMs, false);
  }

  /** The tier may hold what it must not: what stands now is not to be trusted, whoever set it. */
  renew(): void {
    this.#distrust();
    this.#isAsking = true;
    void this.#find(this.#options.jitterMs * this.#options.random.next(), true);
  }

  /** A peer trusts `epoch`, or did when it said so. */
  named(epoch: string): void {
    if (epoch === this.#trusted || this.#distrusted.has(epoch) || this.#ended || this.#isAsking) return;
    if (this.#trusted !== undefined) {
      void this.#compare(this.#trusted, epoch);
      return;
    }
    this.#round++;
    this.#trusted = epoch;
    this.#tried();
  }

  /** Of two epochs the tier says which is the later: news of the earlier may come late. */
  async #compare(trusted: string, named: string): Promise<void> {
    const round = this.#round;
    // Where the tier does not answer, the next heartbeat asks again.
    const standing = await this.#call().catch(() => undefined);
    if (round !== this.#round || this.#trusted !== trusted || standing !== named) return;
    this.#distrust();
    this.#round++;
    this.#trusted = named;
  }

  end(): void {
    this.#ended = true;
    this.#round++;
    this.#trusted = undefined;
    this.#tried();
  }

  #distrust(): void {
    if (this.#trusted === undefined) return;
    this.#distrusted.add(this.#trusted);
    if (this.#distrusted.size > mostDistrusted)
      this.#distrusted.delete(this.#distrusted.values().next().value as string);
    this.#trusted = undefined;
    this.#options.onDistrust();
  }

  async #find(firstWaitMs: number, afterEvent: boolean): Promise<void> {
    const round = ++this.#round;
    const { clock, random, patienceMs } = this.#options;
    let waitMs = firstWaitMs;
    let distrusts = afterEvent;
    for (let attempt = 0; round === this.#round; attempt++) {
      this.#isTrying = true;
      try {
        await this.#replace(round, waitMs, distrusts);
        if (round !== this.#round) return;
        this.#tried();
        if (this.#trusted !== undefined) return;
        // Somebody else set one since: a peer will name it.
        waitMs = patienceMs;
        distrusts = false;
      } catch {
        if (round === this.#round) this.#tried();
        await delay(clock, backoffMs(attempt, random, pauses), true);
      }
    }
  }

  /** Reads the epoch after the event, waits, and replaces it only if it is still that one. */
  async #replace(round: number, waitMs: number, distrusts: boolean): Promise<void> {
    const { clock, random } = this.#options;
    const standing = await this.#call();
    if (round !== this.#round) return;
    this.#isAsking = false;
    if (distrusts && standing !== undefined) this.#distrusted.add(standing);
    if (waitMs > 0) await delay(clock, waitMs, true);
    if (round !== this.#round) return;
    const next = random.id();
    const result = await this.#call({ expected: standing, next });
    if (round === this.#round && result === next) this.#trusted = next;
  }

  #call(replace?: { readonly expected: string | undefined; readonly next: string }): Promise<string | undefined> {
    const { shared } = this.#options;
    return shared.guard.call({ operation: "epoch" }, (call) => shared.cache.epoch(replace, call));
  }
}
