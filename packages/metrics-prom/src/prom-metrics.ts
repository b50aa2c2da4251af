import { type Cancel, type MetricFamily, type Metrics, metricDefinitions, WarpError } from "@warp/core";
import { type Labels, PromFamily, type Source } from "./prom-family.ts";
import type { PromRegistry } from "./prom-registry.ts";

export interface PromMetricsOptions {
  /** Put before every name, as `"shop_"`. Default: nothing. */
  readonly prefix?: string | undefined;
  /** Put on every sample, as `{ node: "a" }`: they tell the nodes of one registry apart. Default: none. */
  readonly labels?: Labels | undefined;
}

const invalid = (message: string): WarpError => new WarpError("INVALID_ARGUMENT", message);

const requirePrefix = (prefix: string): string => {
  if (prefix === "" || /^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(prefix)) return prefix;
  throw invalid(`prefix must be the beginning of a Prometheus metric name (letters, digits, "_"); got "${prefix}"`);
};

const usedLabels: ReadonlySet<string> = new Set([
  "le",
  ...metricDefinitions.flatMap(({ labels }) => Object.keys(labels)),
]);

const requireLabels = (labels: Labels): Labels => {
  for (const [name, value] of Object.entries(labels)) {
    if (!/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name) || name.startsWith("__"))
      throw invalid(`labels: "${name}" is not a Prometheus label name`);
    if (usedLabels.has(name)) throw invalid(`labels: Warp's own metrics already have a label "${name}"`);
    if (typeof value !== "string")
      throw invalid(`labels: the value of "${name}" must be a string; got ${typeof value}`);
  }
  return Object.freeze({ ...labels });
};

/** One node: collected once for all families of a scrape. */
class NodeSource {
  readonly #collect: () => readonly MetricFamily[];
  #families: ReadonlyMap<string, MetricFamily> | undefined;

  constructor(collect: () => readonly MetricFamily[]) {
    this.#collect = collect;
  }

  families(): ReadonlyMap<string, MetricFamily> {
    if (this.#families === undefined) {
      this.#families = new Map(this.#collect().map((family) => [family.name, family]));
      // A registry asks all its metrics in one go: when this runs, it has.
      queueMicrotask(() => {
        this.#families = undefined;
      });
    }
    return this.#families;
  }

  of(name: string, labels: Labels): Source {
    return { labels, samples: () => this.families().get(name)?.samples ?? [] };
  }
}

/**
 * Shows Warp's metrics in a prom-client registry. Nothing is counted twice: the numbers are read when the registry is
 * asked for them. Several nodes may share a registry; give each its own `labels`, or their counters are added up.
 */
export class PromMetrics implements Metrics {
  readonly #registry: PromRegistry;
  readonly #prefix: string;
  readonly #labels: Labels;

  /**
   * @param registry Made by the caller, for example prom-client's `register`.
   * @throws {WarpError} `INVALID_ARGUMENT` for a prefix or a label that Prometheus or Warp's own metrics rule out.
   */
  constructor(registry: PromRegistry, { prefix = "", labels = {} }: PromMetricsOptions = {}) {
    this.#registry = registry;
    this.#prefix = requirePrefix(prefix);
    this.#labels = requireLabels(labels);
  }

  /**
   * Called by Warp. The returned function takes the node's samples out again, and a metric that has no node left.
   * @throws {WarpError} `INVALID_ARGUMENT` if the registry has a metric of such a name that is not Warp's; it is unchanged then.
   */
  attach(collect: () => readonly MetricFamily[]): Cancel {
    const node = new NodeSource(collect);
    const families = [...node.families().values()];
    for (const { name } of families) this.#requireFree(name);
    const ends = families.map((family) => this.#join(family, node));
    return () => {
      for (const end of ends.splice(0)) end();
    };
  }

  #requireFree(name: string): void {
    const held = this.#registry.getSingleMetric(this.#prefix + name);
    if (held === undefined || PromFamily.is(held)) return;
    throw invalid(
      `the registry already has a metric named ${this.#prefix}${name} that is not Warp's: use another registry or a prefix`,
    );
  }

  #join(family: MetricFamily, node: NodeSource): () => void {
    const name = this.#prefix + family.name;
    const held = this.#registry.getSingleMetric(name);
    const metric = PromFamily.is(held) ? held : new PromFamily(name, family);
    if (metric !== held) this.#registry.registerMetric(metric as never);
    const source = node.of(family.name, this.#labels);
    metric.add(source);
    return () => {
      metric.remove(source);
      if (metric.empty && this.#registry.getSingleMetric(name) === metric) this.#registry.removeSingleMetric(name);
    };
  }
}
