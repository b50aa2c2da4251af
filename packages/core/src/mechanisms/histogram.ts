import type { HistogramValue } from "../ports/metrics.ts";

/** Upper bounds in seconds: 1, 2.5, 5 of each decade from 1 µs to 10 s, then 30 s and 60 s. */
export const latencyBounds: readonly number[] = Object.freeze([
  ...[1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1].flatMap((decade) =>
    // Through text, since 2.5 * 1e-6 is not the double nearest to 0.0000025.
    [1, 2.5, 5].map((step) => Number(`${step}e${Math.round(Math.log10(decade))}`)),
  ),
  10,
  30,
  60,
]);

/** Counts durations by size. Observing one allocates nothing. */
export class Histogram {
  // One for each bound, and one for what lies above them all.
  readonly #counts = new Float64Array(latencyBounds.length + 1);
  #count = 0;
  #sum = 0;

  get count(): number {
    return this.#count;
  }

  /**
   * @param seconds Below 0 counts as 0 (a clock was set back); NaN is not counted.
   * @param times How often it was observed. Default 1.
   */
  observe(seconds: number, times: number = 1): void {
    if (Number.isNaN(seconds)) return;
    const value = Math.max(seconds, 0);
    let low = 0;
    let high = latencyBounds.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (value <= (latencyBounds[middle] as number)) high = middle;
      else low = middle + 1;
    }
    this.#counts[low] = (this.#counts[low] as number) + times;
    this.#count += times;
    this.#sum += value * times;
  }

  /** The state now. */
  value(): HistogramValue {
    let below = 0;
    const cumulative = latencyBounds.map((_, index) => {
      below += this.#counts[index] as number;
      return below;
    });
    return { bounds: latencyBounds, cumulative, count: this.#count, sum: this.#sum };
  }
}
