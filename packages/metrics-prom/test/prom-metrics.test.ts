import { describe, expect, it } from "@jest/globals";
import type { HistogramValue, MetricFamily } from "@warp/core";
import { AggregatorRegistry, Counter, Registry } from "prom-client";
import { PromMetrics, type PromRegistry } from "../src/index.ts";
import { parseExposition } from "./exposition.ts";

({}) as Registry satisfies PromRegistry;

const histogram = (counts: readonly number[], sum: number): HistogramValue => ({
  bounds: [0.000001, 0.5, 60],
  cumulative: counts.slice(0, 3),
  count: counts[3] ?? 0,
  sum,
});
const node = (hits: number, breaker = 0, counts: readonly number[] = [1, 2, 2, 3]): (() => readonly MetricFamily[]) => {
  const families: readonly MetricFamily[] = [
    {
      name: "warp_core_hits_total",
      help: "Reads answered\nwith a value",
      kind: "counter",
      samples: [
        { labels: { pattern: 'odd "\\\n*', tier: "local" }, value: hits },
        { labels: { pattern: "user:*", tier: "shared" }, value: 2 },
      ],
    },
    {
      name: "warp_core_breaker_state",
      help: "b",
      kind: "gauge",
      samples: [{ labels: { port: "bus" }, value: breaker }],
    },
    {
      name: "warp_core_latency_seconds",
      help: "l",
      kind: "histogram",
      samples: [{ labels: { operation: "get", outcome: "hit" }, value: histogram(counts, 90.5) }],
    },
    { name: "warp_core_misses_total", help: "m", kind: "counter", samples: [] },
  ];
  return () => families;
};
const scrape = async (registry: Registry) => parseExposition(await registry.metrics());
const codeOf = (run: () => unknown): unknown => {
  try {
    return run();
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
};

describe("a scrape", () => {
  it("shows names, types, labels and values, also odd ones", async () => {
    const registry = new Registry();
    new PromMetrics(registry).attach(node(5));
    const { types, samples } = await scrape(registry);
    expect(types).toEqual({
      warp_core_hits_total: "counter",
      warp_core_breaker_state: "gauge",
      warp_core_latency_seconds: "histogram",
      warp_core_misses_total: "counter",
    });
    expect(samples).toContainEqual(["warp_core_hits_total", { pattern: 'odd "\\\n*', tier: "local" }, 5]);
    expect(samples).toContainEqual(["warp_core_breaker_state", { port: "bus" }, 0]);
  });

  it("shows a histogram as cumulative buckets, a sum and a count", async () => {
    const registry = new Registry();
    new PromMetrics(registry).attach(node(5));
    const labels = { operation: "get", outcome: "hit" };
    const { samples } = await scrape(registry);
    expect(samples.filter(([name]) => name.startsWith("warp_core_latency"))).toEqual([
      ["warp_core_latency_seconds_bucket", { le: "0.000001", ...labels }, 1],
      ["warp_core_latency_seconds_bucket", { le: "0.5", ...labels }, 2],
      ["warp_core_latency_seconds_bucket", { le: "60", ...labels }, 2],
      ["warp_core_latency_seconds_bucket", { le: "+Inf", ...labels }, 3],
      ["warp_core_latency_seconds_sum", labels, 90.5],
      ["warp_core_latency_seconds_count", labels, 3],
    ]);
  });

  it("reads the numbers of that moment, once for all metrics", async () => {
    const registry = new Registry();
    let asked = 0;
    let hits = 1;
    new PromMetrics(registry).attach(() => {
      asked += 1;
      return node(hits)();
    });
    await registry.metrics();
    const before = asked;
    hits = 9;
    expect((await scrape(registry)).samples[0]?.[2]).toBe(9);
    expect(asked).toBe(before + 1);
  });

  it("stands beside the application's own metrics, prefix, default labels and all", async () => {
    const registry = new Registry();
    registry.setDefaultLabels({ app: "shop" });
    new Counter({ name: "orders_total", help: "o", registers: [registry] }).inc(3);
    new PromMetrics(registry, { prefix: "shop_" }).attach(node(5));
    const { samples } = await scrape(registry);
    expect(samples).toContainEqual(["orders_total", { app: "shop" }, 3]);
    expect(samples).toContainEqual(["shop_warp_core_breaker_state", { port: "bus", app: "shop" }, 0]);
  });

  it("is right in OpenMetrics too", async () => {
    const registry = new Registry();
    registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE as never);
    new PromMetrics(registry).attach(node(5));
    const text = await registry.metrics();
    expect(await registry.metrics()).toBe(text);
    expect(text).toContain("# TYPE warp_core_hits counter\n");
    expect(text).toMatch(/^warp_core_hits_total\{pattern="user:\*",tier="shared"\} 2$/m);
    expect(text).toMatch(/^warp_core_latency_seconds_bucket\{le="\+Inf",operation="get",outcome="hit"\} 3$/m);
    expect(text.endsWith("# EOF\n")).toBe(true);
  });

  it("as JSON is what the text says, and again the next time", async () => {
    const registry = new Registry();
    registry.setDefaultLabels({ app: "shop" });
    new PromMetrics(registry, { labels: { node: "a" } }).attach(node(5));
    const first = await registry.getMetricsAsJSON();
    expect(first[1]).toEqual({
      name: "warp_core_breaker_state",
      help: "b",
      type: "gauge",
      aggregator: "max",
      values: [{ value: 0, labels: { port: "bus", node: "a", app: "shop" } }],
    });
    expect(await registry.getMetricsAsJSON()).toEqual(first);
    expect(await registry.getSingleMetricAsString("warp_core_breaker_state")).toContain('node="a"');
  });
});

describe("several nodes on one registry", () => {
  it("are told apart by their labels", async () => {
    const registry = new Registry();
    for (const name of ["a", "b"])
      new PromMetrics(registry, { labels: { node: name } }).attach(node(name === "a" ? 1 : 2));
    const { samples } = await scrape(registry);
    const hits = samples.filter(([name, { tier }]) => name === "warp_core_hits_total" && tier === "local");
    expect(hits.map(([, labels, value]) => [labels.node, value])).toEqual([
      ["a", 1],
      ["b", 2],
    ]);
  });

  it("that have no labels of their own are added up; of states the highest counts", async () => {
    const registry = new Registry();
    const metrics = new PromMetrics(registry);
    metrics.attach(node(1, 2));
    metrics.attach(node(10, 1, [0, 0, 5, 5]));
    const { samples } = await scrape(registry);
    expect(samples[0]?.[2]).toBe(11);
    expect(samples).toContainEqual(["warp_core_breaker_state", { port: "bus" }, 2]);
    const buckets = samples.filter(([name]) => name === "warp_core_latency_seconds_bucket").map(([, , value]) => value);
    expect(buckets).toEqual([1, 2, 7, 8]);
  });

  it("leave without a trace: their samples first, with the last one the metrics", async () => {
    const registry = new Registry();
    const first = new PromMetrics(registry, { labels: { node: "a" } }).attach(node(1));
    const second = new PromMetrics(registry, { labels: { node: "b" } }).attach(node(2));
    first();
    first();
    expect((await scrape(registry)).samples.every(([, labels]) => labels.node === "b")).toBe(true);
    second();
    expect(registry.getMetricsAsArray()).toEqual([]);
    new PromMetrics(registry).attach(node(1));
    expect(registry.getMetricsAsArray()).toHaveLength(4);
  });

  it("in several processes are aggregated by prom-client", async () => {
    const workers = [node(1, 0), node(2, 2)].map((collect) => {
      const registry = new Registry();
      new PromMetrics(registry).attach(collect);
      return registry.getMetricsAsJSON();
    });
    const sent = JSON.parse(JSON.stringify(await Promise.all(workers)));
    const { types, samples } = await scrape(AggregatorRegistry.aggregate(sent));
    expect(types.warp_core_latency_seconds).toBe("histogram");
    expect(samples[0]).toEqual(["warp_core_hits_total", { pattern: 'odd "\\\n*', tier: "local" }, 3]);
    expect(samples).toContainEqual(["warp_core_breaker_state", { port: "bus" }, 2]);
    expect(samples).toContainEqual(["warp_core_latency_seconds_count", { operation: "get", outcome: "hit" }, 6]);
  });
});

describe("what does not fit", () => {
  it("a name that the application already uses is refused, and the registry is left as it was", () => {
    const registry = new Registry();
    new Counter({ name: "warp_core_misses_total", help: "mine", registers: [registry] });
    const attach = () => new PromMetrics(registry).attach(node(1));
    expect(attach).toThrow("already has a metric named warp_core_misses_total that is not Warp's");
    expect(codeOf(attach)).toBe("INVALID_ARGUMENT");
    expect(registry.getMetricsAsArray()).toHaveLength(1);
  });

  it("a prefix or a label that Prometheus or Warp rules out is refused", () => {
    const of = (options: object) => codeOf(() => new PromMetrics(new Registry(), options));
    for (const labels of [{ "a-b": "" }, { __x: "" }, { le: "" }, { pattern: "" }, { node: 1 }])
      expect(of({ labels })).toBe("INVALID_ARGUMENT");
    expect(of({ prefix: "9-" })).toBe("INVALID_ARGUMENT");
    expect(of({ prefix: "shop_", labels: { node: "a" } })).toBeInstanceOf(PromMetrics);
  });

  it("a reset of the registry harms nothing: the counters are the node's", async () => {
    const registry = new Registry();
    new PromMetrics(registry).attach(node(5));
    registry.resetMetrics();
    expect((await scrape(registry)).samples[0]?.[2]).toBe(5);
  });
});
