import type { Cancel, Clock } from "../values/clock.ts";
import type { Random } from "../values/random.ts";
import { backoffMs } from "./retry.ts";

export type BreakerState = "closed" | "open" | "half-open";

export interface BreakerOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Failures in a row that open it. */
  readonly threshold: number;
  /** Asks the other side whether it is well, at the breaker's own expense. Rejects if not. */
  readonly probe: () => Promise<unknown>;
  /** Told of every change of state. */
  readonly onChange?: (state: BreakerState) => void;
}

const coolDown = { firstMs: 500, longestMs: 10_000 };

/**
 * A circuit breaker that heals itself: while open it refuses every call, and after a cool-down it probes the other side
 * in the background, so that no caller pays for finding out (Nygard, "Release It!", 2nd ed. 2018, §5.2).
 * closed → open after `threshold` failures in a row; open → half-open when the cool-down ends; half-open → closed or
 * open by the probe's answer.
 */
export class Breaker {
  readonly #options: BreakerOptions;
  #state: BreakerState = "closed";
  #failures = 0;
  #openings = 0;
  #cancel: Cancel | undefined;
  #ended = false;

  constructor(options: BreakerOptions) {
    this.#options = options;
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** Whether a call may be made now. */
  get allows(): boolean {
    return this.#state === "closed";
  }

  succeeded(): void {
    this.#failures = 0;
  }

  failed(): void {
    if (this.#state !== "closed" || this.#ended) return;
    if (++this.#failures >= this.#options.threshold) this.#open();
  }

  /** Stops probing, for good. */
  end(): void {
    this.#ended = true;
    this.#cancel?.();
  }

  #open(): void {
    this.#change("open");
    const { clock, random } = this.#options;
    const waitMs = backoffMs(this.#openings++, random, coolDown);
    this.#cancel = clock.schedule(waitMs, () => void this.#probe(), true);
  }

  async #probe(): Promise<void> {
    this.#change("half-open");
    try {
      await this.#options.probe();
      this.#failures = 0;
      this.#openings = 0;
      this.#change("closed");
    } catch {
      if (!this.#ended) this.#open();
    }
  }

  #change(state: BreakerState): void {
    this.#state = state;
    this.#options.onChange?.(state);
  }
}
