/** The part of prom-client's `Registry` that this package calls. */
export interface PromRegistry {
  /** Its type asks for one of prom-client's own classes; the registry itself asks for `name`, `get` and `reset` only. */
  registerMetric(metric: never): void;
  /** The metric of that name, whoever registered it; `undefined` for none. */
  getSingleMetric(name: string): unknown;
  /** Takes a metric out; nothing happens if there is none of that name. */
  removeSingleMetric(name: string): void;
}
