import type { Composition } from "./compose.ts";
import type { MetricSample } from "./ports/metrics.ts";
import type { NodeStatus } from "./status.ts";

const bare = (value: number): readonly MetricSample[] => [{ labels: {}, value }];

const breakerValues = { closed: 0, "half-open": 1, open: 2 } as const;

/** Has the numbers that others keep read at each scrape. */
export const provideMetrics = (
  { context, busGuard }: Composition,
  counts: () => Pick<NodeStatus, "outbox" | "dirty" | "members" | "leases">,
  isDeaf: () => boolean,
  isFeedDown: () => boolean,
): void => {
  const { meters, local, shared, store, errors } = context;
  meters.provide("warp_core_evictions_total", () => bare(local?.stats.evictions ?? 0));
  meters.provide("warp_core_expirations_total", () => bare(local?.stats.expirations ?? 0));
  meters.provide("warp_core_local_entries", () => bare(local?.stats.entries ?? 0));
  meters.provide("warp_core_local_bytes", () => bare(local?.stats.bytes ?? 0));
  meters.provide("warp_core_outbox_keys", () => bare(counts().outbox));
  meters.provide("warp_core_dirty_keys", () => bare(counts().dirty));
  meters.provide("warp_core_members", () => bare(counts().members + 1));
  meters.provide("warp_core_leases", () => bare(counts().leases));
  meters.provide("warp_core_fenced_keys", () => bare(context.fences.size));
  meters.provide("warp_core_bus_deaf", () => bare(isDeaf() ? 1 : 0));
  meters.provide("warp_core_change_feed_down", () => bare(isFeedDown() ? 1 : 0));
  meters.provide("warp_core_background_errors_total", () =>
    [...errors.counts].map(([operation, value]) => ({ labels: { operation }, value })),
  );
  meters.provide("warp_core_background_errors_dropped_total", () => bare(errors.dropped));
  for (const [port, guard] of [
    ["shared-cache", shared?.guard],
    ["store", store?.guard],
    ["bus", busGuard],
  ] as const) {
    if (guard !== undefined)
      meters.provide("warp_core_breaker_state", () => [{ labels: { port }, value: breakerValues[guard.state] }]);
  }
};
