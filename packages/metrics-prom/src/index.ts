export { PromMetrics, type PromMetricsOptions } from "./prom-metrics.ts";
export type { PromRegistry } from "./prom-registry.ts";
