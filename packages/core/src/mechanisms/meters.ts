import type { MetricFamily, MetricSample } from "../ports/metrics.ts";
import { BusMeters, StoreMeters, StrongMeters } from "./bus-meters.ts";
import { Histogram } from "./histogram.ts";
import { type MetricDefinition, metricDefinitions } from "./metric-definitions.ts";
import { PatternMeters } from "./pattern-meters.ts";

/** The metrics whose numbers somebody else keeps: asked for at each scrape. */
export type ProvidedMetric =
  | "warp_core_evictions_total"
  | "warp_core_expirations_total"
  | "warp_core_background_errors_total"
  | "warp_core_background_errors_dropped_total"
  | "warp_core_local_entries"
  | "warp_core_local_bytes"
  | "warp_core_outbox_keys"
  | "warp_core_dirty_keys"
  | "warp_core_breaker_state"
  | "warp_core_bus_deaf"
  | "warp_core_change_feed_down"
  | "warp_core_members"
  | "warp_core_leases"
  | "warp_core_fenced_keys";

/** How many patterns have a label of their own. */
export const labelledPatterns = 1_000;
const otherPatterns = "other";

type Count = readonly [labels: Readonly<Record<string, string>>, read: (meters: PatternMeters) => number];

const byPattern: Readonly<Record<string, readonly Count[]>> = {
  warp_core_hits_total: [
    [{ tier: "local" }, (meters) => meters.totalLocalHits()],
    [{ tier: "shared" }, (meters) => meters.sharedHits],
    [{ tier: "store" }, (meters) => meters.storeHits],
  ],
  warp_core_negative_hits_total: [[{}, (meters) => meters.negativeHits]],
  warp_core_misses_total: [[{}, (meters) => meters.misses]],
  warp_core_loads_total: [
    [{ outcome: "ok" }, (meters) => meters.loads],
    [{ outcome: "error" }, (meters) => meters.loadFailures],
  ],
  warp_core_loads_saved_total: [[{}, (meters) => meters.loadsSaved]],
  warp_core_eager_refreshes_total: [[{}, (meters) => meters.eagerRefreshes]],
  warp_core_fills_refused_total: [[{}, (meters) => meters.fillsRefused]],
  warp_core_suspects_total: [
    [{ outcome: "revalidated" }, (meters) => meters.suspectsRevalidated],
    [{ outcome: "replaced" }, (meters) => meters.suspectsReplaced],
  ],
  warp_core_stale_served_total: [
    [{ reason: "failed" }, (meters) => meters.staleServed],
    [{ reason: "slow" }, (meters) => meters.staleWhileSlow],
  ],
  warp_core_writes_total: [
    [{ operation: "set" }, (meters) => meters.writes],
    [{ operation: "delete" }, (meters) => meters.deletes],
    [{ operation: "invalidate" }, (meters) => meters.invalidations],
  ],
};

const getOrMake = <V>(map: Map<string, V>, name: string, make: () => V): V => {
  const held = map.get(name);
  if (held !== undefined) return held;
  const made = make();
  map.set(name, made);
  return made;
};

/** Histograms by two labels, made when first asked for. */
class HistogramTable {
  readonly #labels: readonly [string, string];
  readonly #rows = new Map<string, Map<string, Histogram>>();

  constructor(first: string, second: string) {
    this.#labels = [first, second];
  }

  at(first: string, second: string): Histogram {
    // Asked for at every call: no closure is made for what is there.
    return this.#rows.get(first)?.get(second) ?? this.#make(first, second);
  }

  #make(first: string, second: string): Histogram {
    const row = getOrMake(this.#rows, first, () => new Map<string, Histogram>());
    return getOrMake(row, second, () => new Histogram());
  }

  samples(): readonly MetricSample[] {
    const [firstLabel, secondLabel] = this.#labels;
    return [...this.#rows].flatMap(([first, row]) =>
      [...row].map(([second, histogram]) => ({
        labels: { [firstLabel]: first, [secondLabel]: second },
        value: histogram.value(),
      })),
    );
  }
}

/** Everything a node counts. Counting is an addition to a field; the rest is done when somebody collects. */
export class Meters {
  readonly bus: BusMeters = new BusMeters();
  readonly store: StoreMeters = new StoreMeters();
  readonly strong: StrongMeters = new StrongMeters();
  readonly #patterns = new Map<string, PatternMeters>();
  readonly #latencies = new HistogramTable("operation", "outcome");
  readonly #portLatencies = new HistogramTable("port", "outcome");
  readonly #provided = new Map<string, (() => readonly MetricSample[])[]>();

  /**
   * The counters of a pattern: the same ones again where it is registered again.
   * @param hits Its fast-path hits (`EntryOwner.hits`), asked for at each collection until `release`.
   */
  forPattern(pattern: string, hits: () => number): PatternMeters {
    const known = this.#patterns.has(pattern) || this.#patterns.size < labelledPatterns;
    const label = known ? pattern : otherPatterns;
    const meters = getOrMake(this.#patterns, label, () => new PatternMeters());
    meters.addHits(hits);
    return meters;
  }

  /** The registration ended: its hits stay counted, `hits` is let go. */
  release(meters: PatternMeters, hits: () => number): void {
    meters.retireHits(hits);
  }

  /** @param operation A public call's name. @param outcome Of a closed set. */
  latency(operation: string, outcome: string): Histogram {
    return this.#latencies.at(operation, outcome);
  }

  portLatency(port: string, outcome: string): Histogram {
    return this.#portLatencies.at(port, outcome);
  }

  /** Has `read` asked at each collection. Several may add to one metric if their labels differ. */
  provide(name: ProvidedMetric, read: () => readonly MetricSample[]): void {
    getOrMake(this.#provided, name, () => []).push(read);
  }

  /** All families of `metricDefinitions`, in its order, also those without a sample. Does not throw. */
  collect(): readonly MetricFamily[] {
    return metricDefinitions.map((definition) => ({
      name: definition.name,
      help: definition.help,
      kind: definition.kind,
      samples: this.#samplesOf(definition),
    }));
  }

  #samplesOf({ name }: MetricDefinition): readonly MetricSample[] {
    const counts = byPattern[name];
    if (counts !== undefined) return this.#patternSamples(counts);
    const provided = this.#provided.get(name);
    if (provided !== undefined) return provided.flatMap(samplesFrom);
    return this.#ownSamples(name);
  }

  #patternSamples(counts: readonly Count[]): readonly MetricSample[] {
    return [...this.#patterns].flatMap(([pattern, meters]) =>
      counts.map(([labels, read]) => ({ labels: { pattern, ...labels }, value: read(meters) })),
    );
  }

  #ownSamples(name: string): readonly MetricSample[] {
    const { bus, store, strong } = this;
    const bare = (value: MetricSample["value"]): readonly MetricSample[] => [{ labels: {}, value }];
    switch (name) {
      case "warp_core_latency_seconds":
        return this.#latencies.samples();
      case "warp_core_port_latency_seconds":
        return this.#portLatencies.samples();
      case "warp_core_quorum_wait_seconds":
        return bare(strong.quorumWait.value());
      case "warp_core_strong_writes_total":
        return labelled("outcome", {
          committed: strong.committed,
          aborted: strong.aborted,
          refused: strong.quorumsRefused,
        });
      case "warp_core_acknowledgements_total":
        return labelled("direction", { sent: strong.acknowledgementsSent, received: strong.acknowledgementsReceived });
      case "warp_core_registration_mismatches_total":
        return labelled("side", { here: strong.mismatchesFound, there: strong.mismatchesHeard });
      case "warp_core_bus_lag_seconds":
        return bare(bus.lag.value());
      case "warp_core_store_conflicts_total":
        return bare(store.conflicts);
      case "warp_core_store_resent_total":
        return bare(store.resent);
      case "warp_core_store_outcomes_unknown_total":
        return bare(store.outcomesUnknown);
      case "warp_core_keys_sent_total":
        return bare(bus.keysSent);
      case "warp_core_drop_alls_sent_total":
        return bare(bus.dropAllsSent);
      case "warp_core_foreign_changes_total":
        return bare(bus.foreignChanges);
      case "warp_core_heartbeats_total":
        return labelled("direction", { sent: bus.heartbeatsSent, received: bus.heartbeatsReceived });
      case "warp_core_bus_gaps_total":
        return labelled("reason", bus.gaps);
      case "warp_core_frames_total":
        return frameSamples(bus);
      default:
        return [];
    }
  }
}

// A provider that throws costs its own samples, not the whole scrape.
const samplesFrom = (read: () => readonly MetricSample[]): readonly MetricSample[] => {
  try {
    return read();
  } catch {
    return [];
  }
};

const labelled = (label: string, counts: Readonly<Record<string, number>>): readonly MetricSample[] =>
  Object.entries(counts).map(([name, value]) => ({ labels: { [label]: name }, value }));

const frameSamples = (bus: BusMeters): readonly MetricSample[] => {
  const of = (direction: string, counts: Readonly<Record<string, number>>): readonly MetricSample[] =>
    labelled("outcome", counts).map(({ labels, value }) => ({ labels: { direction, ...labels }, value }));
  return [
    ...of("sent", { ok: bus.framesSent, error: bus.framesFailed }),
    ...of("received", { ok: bus.framesReceived, ...bus.framesRefused }),
  ];
};
