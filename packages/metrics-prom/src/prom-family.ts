import type { HistogramValue, MetricFamily, MetricSample } from "@warp/core";

export type Labels = Readonly<Record<string, string>>;

/** One line of an exposition, as prom-client wants it. */
export interface PromValue {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
  /** Where it is not the family's own: the parts of a histogram. */
  readonly metricName?: string;
}

/** How prom-client's cluster registry makes one value of those of several processes. */
export type Aggregator = "sum" | "max";

export interface PromObject {
  readonly name: string;
  readonly help: string;
  readonly type: MetricFamily["kind"];
  readonly values: PromValue[];
  readonly aggregator: Aggregator;
}

/** Where samples of a family come from: one node. */
export interface Source {
  /** Added to the labels of each sample. */
  readonly labels: Labels;
  samples(): readonly MetricSample[];
}

// These are states: the sum of two nodes' would mean nothing.
const states: ReadonlySet<string> = new Set([
  "warp_core_breaker_state",
  "warp_core_bus_deaf",
  "warp_core_change_feed_down",
  "warp_core_members",
]);

const brand: unique symbol = Symbol.for("@warp/metrics-prom/PromFamily") as never;

const addHistograms = (a: HistogramValue, b: HistogramValue): HistogramValue => ({
  bounds: a.bounds,
  cumulative: a.cumulative.map((count, index) => count + (b.cumulative[index] ?? 0)),
  count: a.count + b.count,
  sum: a.sum + b.sum,
});

const combine = (a: MetricSample["value"], b: MetricSample["value"], aggregator: Aggregator): MetricSample["value"] => {
  if (typeof a === "number" && typeof b === "number") return aggregator === "sum" ? a + b : Math.max(a, b);
  return typeof a === "object" && typeof b === "object" ? addHistograms(a, b) : a;
};

const identityOf = (labels: Labels): string =>
  JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));

/**
 * A metric in prom-client's eyes: all nodes' samples of one family, asked for when somebody scrapes. prom-client may
 * change `name`: its OpenMetrics registries cut the ending `_total` off and write it themselves.
 */
export class PromFamily {
  name: string;
  readonly help: string;
  readonly type: MetricFamily["kind"];
  readonly aggregator: Aggregator;
  readonly #sources = new Set<Source>();

  constructor(name: string, family: Pick<MetricFamily, "name" | "help" | "kind">) {
    this.name = name;
    this.help = family.help;
    this.type = family.kind;
    this.aggregator = states.has(family.name) ? "max" : "sum";
    Object.defineProperty(this, brand, { value: true });
  }

  /** Holds across two copies of this package, where `instanceof` does not. */
  static is(value: unknown): value is PromFamily {
    return typeof value === "object" && value !== null && brand in value;
  }

  get empty(): boolean {
    return this.#sources.size === 0;
  }

  add(source: Source): void {
    this.#sources.add(source);
  }

  remove(source: Source): void {
    this.#sources.delete(source);
  }

  /** What prom-client asks for at each scrape: new objects each time, since it changes them. */
  get(): Promise<PromObject> {
    const { name, help, type, aggregator } = this;
    const values = this.#merged().flatMap((sample) => this.#lines(sample));
    return Promise.resolve({ name, help, type, values, aggregator });
  }

  /** Does nothing: the numbers are the nodes'. */
  reset(): void {}

  // Two lines of one name and the same labels would make the whole scrape invalid.
  #merged(): readonly MetricSample[] {
    const [only] = this.#sources;
    if (only !== undefined && this.#sources.size === 1)
      return only.samples().map(({ labels, value }) => ({ labels: { ...labels, ...only.labels }, value }));
    const merged = new Map<string, MetricSample>();
    for (const source of this.#sources) {
      for (const sample of source.samples()) {
        const labels = { ...sample.labels, ...source.labels };
        const identity = identityOf(labels);
        const other = merged.get(identity);
        const value = other === undefined ? sample.value : combine(other.value, sample.value, this.aggregator);
        merged.set(identity, { labels, value });
      }
    }
    return [...merged.values()];
  }

  #lines({ labels, value }: MetricSample): PromValue[] {
    if (typeof value === "number") return [{ labels, value }];
    const { bounds, cumulative, count, sum } = value;
    const metricName = `${this.name}_bucket`;
    return [
      ...bounds.map((le, index) => ({ metricName, labels: { le, ...labels }, value: cumulative[index] ?? 0 })),
      { metricName, labels: { le: "+Inf", ...labels }, value: count },
      { metricName: `${this.name}_sum`, labels, value: sum },
      { metricName: `${this.name}_count`, labels, value: count },
    ];
  }
}
