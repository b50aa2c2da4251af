import { monotonicMs } from "./protocol.ts";

const beatMs = 20;

/** Knows for how long this process stood still: stopped by a signal, without a processor, or busy in one turn. */
export class Stalls {
  #lastBeatAt = monotonicMs();
  #stalledMs = 0;

  constructor() {
    setInterval(() => this.#beat(), beatMs).unref();
  }

  /** In all since the process began, in ms. */
  totalMs(): number {
    return this.#stalledMs + this.#sinceBeatMs();
  }

  #beat(): void {
    this.#stalledMs += this.#sinceBeatMs();
    this.#lastBeatAt = monotonicMs();
  }

  #sinceBeatMs(): number {
    return Math.max(0, monotonicMs() - this.#lastBeatAt - beatMs);
  }
}
