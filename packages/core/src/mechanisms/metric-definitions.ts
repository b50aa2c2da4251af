import type { MetricFamily } from "../ports/metrics.ts";

/** What one metric means. */
export interface MetricDefinition {
  readonly name: string;
  readonly kind: MetricFamily["kind"];
  /** What one of it is. */
  readonly unit: string;
  readonly help: string;
  /** Each label, and the values it can have. */
  readonly labels: Readonly<Record<string, string>>;
}

const pattern = "the registration's pattern, or `other` beyond 1 000 patterns";
const portOutcome = "`ok`, `error`, `timeout`";
const ports = "`shared-cache`, `store`, `bus`, `loader`";

type Definition = readonly [name: string, unit: string, help: string, labels?: Readonly<Record<string, string>>];

const counters: readonly Definition[] = [
  ["hits", "reads", "Reads answered with a value, by where it was", { pattern, tier: "`local`, `shared`, `store`" }],
  ["negative_hits", "reads", "Reads answered by a cache that knew that the key does not exist", { pattern }],
  ["misses", "reads", "Reads that neither a cache nor the store could answer", { pattern }],
  ["loads", "loads", "Runs of a loader that ended", { pattern, outcome: "`ok`, `error`" }],
  ["loads_saved", "calls", "Calls that shared a load or a store read that was already under way", { pattern }],
  ["eager_refreshes", "refreshes", "Refreshes begun before the value expired", { pattern }],
  ["fills_refused", "fills", "Values that were not cached because the key changed while they were loaded", { pattern }],
  [
    "suspects",
    "entries",
    "Suspect entries that a read settled: unchanged in the store, or replaced",
    { pattern, outcome: "`revalidated`, `replaced`" },
  ],
  [
    "stale_served",
    "reads",
    "Reads answered with an expired value, because the source failed or was slow",
    { pattern, reason: "`failed`, `slow`" },
  ],
  ["writes", "keys", "Keys changed by this node", { pattern, operation: "`set`, `delete`, `invalidate`" }],
  ["evictions", "entries", "Entries the local cache let go for want of room"],
  ["expirations", "entries", "Entries the local cache let go because nobody could use them any more"],
  ["store_conflicts", "commits", "Commits that another writer overtook; most are tried again by Warp"],
  ["store_resent", "commits", "Commits sent again because the first answer said neither yes nor no"],
  ["store_outcomes_unknown", "commits", "Commits answered neither yes nor no; Warp then finds out what became of them"],
  [
    "frames",
    "frames",
    "Frames on the bus",
    {
      direction: "`sent`, `received`",
      outcome: "`ok`, `error` (sent), `version`, `malformed`, `signature`, `cluster`, `node` (received and refused)",
    },
  ],
  ["keys_sent", "keys", "Keys named in the drops that this node sent"],
  ["drop_alls_sent", "frames", "Times this node told all others to distrust everything"],
  ["foreign_changes", "keys", "Keys that others than Warp changed, as the change feed told"],
  ["heartbeats", "frames", "Heartbeats", { direction: "`sent`, `received`" }],
  [
    "bus_gaps",
    "gaps",
    "Times this node may have missed changes, so that its entries became suspect",
    { reason: "`lost`, `transport`, `drop-all`, `vanished`, `unknown-sender`, `deaf`, `epoch`, `change-feed`" },
  ],
  [
    "strong_writes",
    "writes",
    "Strong writes, by how they ended; `refused` ones are among the aborted: too few nodes acknowledged, or no bus",
    { outcome: "`committed`, `aborted`, `refused`" },
  ],
  ["acknowledgements", "bodies", "Acknowledgements of strong writes", { direction: "`sent`, `received`" }],
  [
    "registration_mismatches",
    "announcements",
    "Strong writes of keys that a node keeps in another mode: found on this node, or told of by another",
    { side: "`here`, `there`" },
  ],
  ["background_errors", "errors", "Errors of work that no caller waits for", { operation: "the work that failed" }],
  ["background_errors_dropped", "errors", "Background errors that no reader of publishErrors() took in time"],
];

const gauges: readonly Definition[] = [
  ["local_entries", "entries", "Entries in the local cache"],
  ["local_bytes", "bytes", "Their size, where the local cache is bounded by bytes"],
  ["outbox_keys", "keys", "Keys, and other news, that the bus has not taken yet"],
  ["dirty_keys", "keys", "Keys with a write that the store has not taken (strong-local)"],
  ["breaker_state", "state", "Circuit breaker: 0 closed, 1 half-open, 2 open", { port: ports }],
  ["bus_deaf", "boolean", "1 while the node does not hear its own heartbeat, else 0"],
  ["change_feed_down", "boolean", "1 while the node does not hear what others than Warp change, else 0"],
  ["members", "nodes", "Nodes of the cluster that this node knows, itself among them"],
  ["leases", "leases", "Live leases that this node knows"],
  ["fenced_keys", "keys", "Keys that strong writes are about to change, which nothing fills meanwhile"],
];

const histograms: readonly Definition[] = [
  [
    "latency_seconds",
    "seconds",
    "Time of public calls; of local hits one in 1 024 is timed",
    { operation: "the call, as `get` or `set`", outcome: "how it ended" },
  ],
  ["port_latency_seconds", "seconds", "Time of calls to a port", { port: ports, outcome: portOutcome }],
  ["quorum_wait_seconds", "seconds", "From the announcement of a strong write to its quorum"],
  ["bus_lag_seconds", "seconds", "From the sending of a frame to its arrival, by both nodes' wall clocks"],
];

const define =
  (kind: MetricFamily["kind"], suffix = "") =>
  ([name, unit, help, labels = {}]: Definition): MetricDefinition =>
    Object.freeze({ name: `warp_core_${name}${suffix}`, kind, unit, help, labels: Object.freeze(labels) });

/** Every metric that Warp reports, in the order in which it reports them. */
export const metricDefinitions: readonly MetricDefinition[] = Object.freeze([
  ...counters.map(define("counter", "_total")),
  ...gauges.map(define("gauge")),
  ...histograms.map(define("histogram")),
]);
