import { expect, it } from "@jest/globals";
import { optimalHitRatio } from "../src/policies/belady.ts";
import { Lru, WarpMemory } from "../src/policies/caches.ts";
import { hitRatio } from "../src/policies/policy.ts";
import { S3Fifo } from "../src/policies/s3-fifo.ts";
import { chance, mobyDickTrace, zipfAndLoopTrace, zipfAndScanTrace, zipfTrace } from "../src/traces.ts";

/** Tries every choice of what to drop. */
const bestHits = (trace: Uint32Array, room: number, at = 0, held: readonly number[] = []): number => {
  const key = trace[at];
  if (key === undefined) return 0;
  if (held.includes(key)) return 1 + bestHits(trace, room, at + 1, held);
  const all = [...held, key];
  if (all.length <= room) return bestHits(trace, room, at + 1, all);
  return Math.max(
    ...all.map((gone) =>
      bestHits(
        trace,
        room,
        at + 1,
        all.filter((other) => other !== gone),
      ),
    ),
  );
};

it("the optimum is what trying every choice finds", () => {
  const random = chance(5);
  for (let round = 0; round < 60; round++) {
    const trace = Uint32Array.from({ length: 9 }, () => Math.floor(random() * 5));
    for (const room of [1, 2, 3])
      expect(optimalHitRatio(trace, room) * trace.length).toBeCloseTo(bestHits(trace, room));
  }
});

it("no policy hits more often than the optimum, and each hits whatever fits", () => {
  const trace = zipfTrace(20_000, 2_000);
  const distinct = new Set(trace).size;
  for (const open of [
    (room: number) => new Lru(room),
    (room: number) => new WarpMemory(room),
    (room: number) => new S3Fifo(room),
  ]) {
    expect(hitRatio(trace, open(100))).toBeLessThan(optimalHitRatio(trace, 100));
    expect(hitRatio(trace, open(2 * distinct)) * trace.length).toBeCloseTo(trace.length - distinct);
  }
});

it("MemoryCache keeps its promises against the optimum on small drawn traces, with a walk and without", () => {
  const trace = zipfTrace(200_000, 20_000);
  expect(hitRatio(trace, new WarpMemory(200)) / optimalHitRatio(trace, 200)).toBeGreaterThan(0.85);
  const walk = zipfAndLoopTrace(200_000, 20_000, 2_000, 0.3);
  expect(hitRatio(walk, new WarpMemory(1_700)) / optimalHitRatio(walk, 1_700)).toBeGreaterThan(0.83);
});

it("a trace is the same each time, and has the shape it is named for", () => {
  expect(zipfTrace(1_000, 100)).toEqual(zipfTrace(1_000, 100));
  const counts = new Map<number, number>();
  for (const key of zipfTrace(100_000, 1_000)) counts.set(key, (counts.get(key) ?? 0) + 1);
  const [first, second] = [...counts.values()].sort((a, b) => b - a) as [number, number];
  expect(first / second).toBeCloseTo(2 ** 0.99, 0);
  const loop = [...zipfAndLoopTrace(1_000, 100, 10, 0.5)].filter((key) => key >= 100);
  expect(loop.slice(0, 12)).toEqual([100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 100, 101]);
  const scanned = [...zipfAndScanTrace(1_000, 100, 10, 100)].filter((key) => key >= 100);
  expect(new Set(scanned).size).toBe(100);
});

it("the words of Moby Dick are numbered in the order in which they first come", () => {
  const trace = mobyDickTrace();
  expect(trace.length).toBeGreaterThan(200_000);
  let known = 0;
  for (const word of trace) {
    if (word > known) throw new Error(`word ${word} comes before word ${known}`);
    if (word === known) known++;
  }
  expect(known).toBeGreaterThan(15_000);
  expect(known).toBeLessThan(20_000);
});
