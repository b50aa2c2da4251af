import type { Cancel } from "../values/clock.ts";

/** A histogram's state: how many observations fell at or below each bound, in all, and their sum. */
export interface HistogramValue {
  /** Upper bounds, ascending; the last bucket (everything) is `count`. */
  readonly bounds: readonly number[];
  /** Cumulative, one per bound. */
  readonly cumulative: readonly number[];
  readonly count: number;
  readonly sum: number;
}

export interface MetricSample {
  /** Bounded sets only: registration pattern, tier, port, outcome, operation. Never a key. */
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number | HistogramValue;
}

/** One named metric with all its samples. */
export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly kind: "counter" | "gauge" | "histogram";
  readonly samples: readonly MetricSample[];
}

/** Where metrics go. Core counts in plain fields and is asked when somebody looks. */
export interface Metrics {
  /**
   * Begins to show one node's metrics.
   * @param collect Called at each scrape; cheap, synchronous, does not throw.
   * @returns Ends it: the node's samples are no longer shown.
   */
  attach(collect: () => readonly MetricFamily[]): Cancel;
}
