import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import {
  BareEntry,
  clearVisited,
  dirtyGeneration,
  type EntryOwner,
  expiryOf,
  generationStep,
  isDirty,
  isVisited,
  largestGeneration,
  markVisited,
  slowGeneration,
  TrackedEntry,
  trueGeneration,
  uselessFrom,
} from "../../src/values/entry.ts";

const owner = (overrides: Partial<EntryOwner> = {}): EntryOwner => ({
  generation: 0,
  hits: 0,
  graceMs: 0,
  eagerShare: 0,
  ttlMs: 1_000,
  ...overrides,
});
const times = fc.integer({ min: 0, max: 2 ** 45 });
const share = fc.double({ min: 0, max: 0.99, noNaN: true });

describe("when an entry expires", () => {
  it("the end of a life is found again from where its eager refresh begins", () => {
    fc.assert(
      fc.property(times, times, share, times, (storedAt, ttlMs, eagerShare, graceMs) => {
        const freshUntil = storedAt + ttlMs * (1 - eagerShare);
        const entry = new TrackedEntry("v", owner({ eagerShare, graceMs }), 0, freshUntil, storedAt, "r");
        // Two roundings of numbers of this size, the second magnified by the division.
        const tolerance = ((storedAt + ttlMs) * 2 ** -50) / (1 - eagerShare);
        expect(Math.abs(expiryOf(entry) - (storedAt + ttlMs))).toBeLessThanOrEqual(tolerance);
        expect(expiryOf(entry)).toBeGreaterThanOrEqual(freshUntil - tolerance);
        expect(uselessFrom(entry)).toBe(expiryOf(entry) + graceMs);
      }),
    );
  });

  it("without eager refresh an entry expires exactly when it stops being fresh", () => {
    fc.assert(
      fc.property(times, times, times, (storedAt, freshUntil, graceMs) => {
        const bare = new BareEntry("v", owner({ graceMs }), 0, freshUntil);
        const tracked = new TrackedEntry("v", owner({ graceMs }), 0, freshUntil, storedAt, undefined);
        for (const entry of [bare, tracked]) {
          expect(expiryOf(entry)).toBe(freshUntil);
          expect(uselessFrom(entry)).toBe(freshUntil + graceMs);
        }
      }),
    );
  });

  it("an endless life has no end, with eager refresh and grace too, and an endless grace none either", () => {
    const eager = owner({ eagerShare: 0.5, graceMs: 10 });
    expect(expiryOf(new TrackedEntry("v", eager, 0, Infinity, 5, "r"))).toBe(Infinity);
    expect(uselessFrom(new TrackedEntry("v", eager, 0, Infinity, 5, "r"))).toBe(Infinity);
    expect(uselessFrom(new BareEntry("v", owner({ graceMs: Infinity }), 0, 10))).toBe(Infinity);
  });
});

describe("the generation and its mark", () => {
  const generation = fc.integer({ min: 0, max: dirtyGeneration / generationStep }).map((half) => half * generationStep);

  it("a visited mark changes no comparison with a registration's generation, and comes off again", () => {
    fc.assert(
      fc.property(generation, generation, (own, registration) => {
        const entry = new BareEntry("v", owner(), own, 0);
        const [fresh, dirty] = [own >= registration, isDirty(entry)];
        expect(isVisited(entry)).toBe(false);
        markVisited(entry);
        markVisited(entry);
        expect([isVisited(entry), entry.generation >= registration, isDirty(entry)]).toEqual([true, fresh, dirty]);
        clearVisited(entry);
        expect([isVisited(entry), entry.generation]).toEqual([false, own]);
      }),
    );
  });

  it("a dirty entry outlives every suspicion, and no entry the end of its registration", () => {
    const dirty = new BareEntry("v", owner(), dirtyGeneration, Infinity);
    markVisited(dirty);
    expect(isDirty(dirty)).toBe(true);
    expect(dirty.generation < largestGeneration).toBe(true);
    expect(isDirty(new BareEntry("v", owner(), dirtyGeneration - generationStep, 0))).toBe(false);
  });

  it("an entry for the slow path is below every registration, and its true generation is still known", () => {
    fc.assert(
      fc.property(generation, (token) => {
        const slow = new BareEntry("v", owner(), slowGeneration(token), Infinity);
        const plain = new BareEntry("v", owner(), token, Infinity);
        for (const mark of [() => undefined, markVisited, clearVisited]) {
          mark(slow);
          mark(plain);
          expect(slow.generation < 0).toBe(true);
          expect([trueGeneration(slow), trueGeneration(plain)]).toEqual([token, token]);
          expect([isDirty(slow), isVisited(slow)]).toEqual([isDirty(plain), isVisited(plain)]);
        }
      }),
    );
  });
});
