/** Where an `S3Store` takes the store's time from. */
export interface StoreClock {
  /** Milliseconds since the epoch; `undefined` as long as nobody knows. */
  now(): number | undefined;
  /**
   * Told of each response: at some moment between `sentAt` and `receivedAt` the server's clock showed the second that
   * begins at `date`. All in milliseconds, the first two on this process' monotonic clock.
   */
  heard?(date: number, sentAt: number, receivedAt: number): void;
}

/** Two quartz clocks drift apart by less than this, per unit of time. */
const mostDrift = 200e-6;

/**
 * The server's clock, learnt from the `Date` headers of its responses. HTTP dates are whole seconds (RFC 9110, 5.6.7);
 * but each response bounds the difference between the server's clock and this machine's monotonic one from both sides,
 * and what all bounds leave narrows to about a round trip within some seconds of traffic. Until then it is off by at
 * most half a second. It follows the server's clock when that is set, and does not go back otherwise.
 *
 * Stores of one process on one service may share one.
 */
export class ServerClock implements StoreClock {
  readonly #monotonic: () => number;
  /** The server's clock less the monotonic one lies between these. */
  #least = Number.NEGATIVE_INFINITY;
  #most = Number.POSITIVE_INFINITY;
  #heardAt = 0;
  #shown = Number.NEGATIVE_INFINITY;

  /** @param monotonic Milliseconds since an arbitrary origin. Default: the machine's. */
  constructor(monotonic: () => number = () => performance.now()) {
    this.#monotonic = monotonic;
  }

  now(): number | undefined {
    if (this.#most === Number.POSITIVE_INFINITY) return undefined;
    this.#shown = Math.max(this.#shown, this.#monotonic() + (this.#least + this.#most) / 2);
    return Math.floor(this.#shown);
  }

  heard(date: number, sentAt: number, receivedAt: number): void {
    const least = date - receivedAt;
    const most = date + 1_000 - sentAt;
    const drift = Math.max(0, receivedAt - this.#heardAt) * mostDrift;
    const width = this.#most - this.#least + 2 * drift;
    this.#heardAt = Math.max(this.#heardAt, receivedAt);
    this.#least = Math.max(this.#least - drift, least);
    this.#most = Math.min(this.#most + drift, most);
    if (this.#least <= this.#most) return;
    // The clock was set, or another server answered: go as far as this response demands, and no farther.
    if (least > this.#most) {
      this.#least = least;
      this.#most = Math.min(most, least + width);
    } else {
      this.#most = most;
      this.#least = Math.max(least, most - width);
      this.#shown = Number.NEGATIVE_INFINITY;
    }
  }
}
