import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { Histogram, latencyBounds } from "../../src/mechanisms/histogram.ts";
import { labelledPatterns, Meters } from "../../src/mechanisms/meters.ts";
import { metricDefinitions } from "../../src/mechanisms/metric-definitions.ts";
import type { MetricSample } from "../../src/ports/metrics.ts";

const samplesOf = (meters: Meters, name: string): readonly MetricSample[] =>
  meters.collect().find((family) => family.name === name)?.samples ?? [];
const reported = (meters: Meters, name: string, labels: Record<string, string> = {}): unknown =>
  samplesOf(meters, name).find((sample) =>
    Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  )?.value;
const noHits = (): number => 0;

describe("a histogram", () => {
  it("has bounds from 1 µs to 60 s, each above the one before", () => {
    expect(latencyBounds[0]).toBe(0.000001);
    expect(latencyBounds[1]).toBe(0.0000025);
    expect(latencyBounds.at(-1)).toBe(60);
    expect(latencyBounds).toEqual([...new Set(latencyBounds)].sort((a, b) => a - b));
  });

  it("counts each observation at and above its size, whatever that is", () => {
    const size = fc.oneof(fc.double({ min: 0, max: 100, noNaN: true }), fc.constantFrom(...latencyBounds));
    fc.assert(
      fc.property(fc.array(size), (sizes) => {
        const histogram = new Histogram();
        for (const seconds of sizes) histogram.observe(seconds);
        const { bounds, cumulative, count, sum } = histogram.value();
        expect(count).toBe(sizes.length);
        expect(sum).toBeCloseTo(sizes.reduce((total, seconds) => total + seconds, 0));
        expect(cumulative).toEqual(bounds.map((bound) => sizes.filter((seconds) => seconds <= bound).length));
      }),
    );
  });

  it("takes a time that ran backwards as none, and ignores NaN", () => {
    const histogram = new Histogram();
    histogram.observe(-5);
    histogram.observe(Number.NaN);
    histogram.observe(Number.POSITIVE_INFINITY);
    const { cumulative, count, sum } = histogram.value();
    expect([cumulative[0], cumulative.at(-1), count, sum]).toEqual([1, 1, 2, Number.POSITIVE_INFINITY]);
  });
});

describe("meters", () => {
  it("report every metric that is defined, once, also before anything happened", () => {
    const families = new Meters().collect();
    expect(families.map(({ name, kind, help }) => ({ name, kind, help }))).toEqual(
      metricDefinitions.map(({ name, kind, help }) => ({ name, kind, help })),
    );
    expect(new Set(families.map(({ name }) => name)).size).toBe(families.length);
  });

  it("give samples exactly the labels that are defined", () => {
    const meters = new Meters();
    meters.forPattern("user:*", noHits);
    meters.latency("get", "hit").observe(1);
    meters.portLatency("store", "ok").observe(1);
    const defined = new Map(metricDefinitions.map(({ name, labels }) => [name, Object.keys(labels).sort()]));
    for (const { name, samples } of meters.collect())
      for (const { labels } of samples) expect([name, Object.keys(labels).sort()]).toEqual([name, defined.get(name)]);
  });

  it("count what a registration did", () => {
    const meters = new Meters();
    const pattern = meters.forPattern("user:*", () => 40);
    pattern.localHits += 2;
    pattern.loadFailures += 3;
    pattern.suspectsReplaced += 4;
    pattern.staleWhileSlow += 5;
    pattern.invalidations += 6;
    const labels = { pattern: "user:*" };
    expect(reported(meters, "warp_core_hits_total", { ...labels, tier: "local" })).toBe(42);
    expect(reported(meters, "warp_core_loads_total", { ...labels, outcome: "error" })).toBe(3);
    expect(reported(meters, "warp_core_suspects_total", { ...labels, outcome: "replaced" })).toBe(4);
    expect(reported(meters, "warp_core_stale_served_total", { ...labels, reason: "slow" })).toBe(5);
    expect(reported(meters, "warp_core_writes_total", { ...labels, operation: "invalidate" })).toBe(6);
  });

  it("do not let a counter fall when a pattern is registered anew", () => {
    const meters = new Meters();
    const first = (): number => 7;
    meters.release(meters.forPattern("user:*", first), first);
    const again = meters.forPattern("user:*", () => 1);
    meters.release(again, first);
    expect(reported(meters, "warp_core_hits_total", { tier: "local" })).toBe(8);
  });

  it("gather the patterns beyond a bound under one label", () => {
    const meters = new Meters();
    for (let index = 0; index < labelledPatterns + 5; index += 1) meters.forPattern(`p${index}:*`, () => 1);
    expect(samplesOf(meters, "warp_core_misses_total")).toHaveLength(labelledPatterns + 1);
    expect(reported(meters, "warp_core_hits_total", { pattern: "other", tier: "local" })).toBe(5);
    expect(reported(meters, "warp_core_hits_total", { pattern: "p3:*", tier: "local" })).toBe(1);
  });

  it("ask providers at each collection; one that throws costs only its own samples", () => {
    const meters = new Meters();
    let keys = 1;
    meters.provide("warp_core_outbox_keys", () => [{ labels: {}, value: keys }]);
    meters.provide("warp_core_breaker_state", () => [{ labels: { port: "bus" }, value: 2 }]);
    meters.provide("warp_core_breaker_state", () => {
      throw new Error("broken");
    });
    expect(reported(meters, "warp_core_outbox_keys")).toBe(1);
    keys = 5;
    expect(reported(meters, "warp_core_outbox_keys")).toBe(5);
    expect(samplesOf(meters, "warp_core_breaker_state")).toHaveLength(1);
  });

  it("count frames, gaps and lag of the bus", () => {
    const meters = new Meters();
    meters.bus.framesSent += 3;
    meters.bus.framesRefused.signature += 1;
    meters.bus.gaps.vanished += 2;
    meters.bus.lag.observe(0.01);
    expect(reported(meters, "warp_core_frames_total", { direction: "sent", outcome: "ok" })).toBe(3);
    expect(reported(meters, "warp_core_frames_total", { direction: "received", outcome: "signature" })).toBe(1);
    expect(reported(meters, "warp_core_bus_gaps_total", { reason: "vanished" })).toBe(2);
    expect(reported(meters, "warp_core_bus_lag_seconds")).toMatchObject({ count: 1, sum: 0.01 });
  });
});
