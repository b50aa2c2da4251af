/** The part of prom-client's `Registry` that this package calls. */
export interface PromRegistry {
  /** Its type asks for one of prom-client's own classes; the registry itself asks for `name`, `get` and `reset` only. */
  registerMetric(metric: never): void;
  getSingleMetric(name: string): unknown;
  removeSingleMetric(name: string): void;
}
