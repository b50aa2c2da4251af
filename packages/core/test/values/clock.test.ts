import { afterEach, beforeEach, describe, expect, it, jest } from "@jest/globals";
import fc from "fast-check";
import { delay, systemClock } from "../../src/values/clock.ts";

const day = 86_400_000;

describe("timers, on a replaced setTimeout", () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  it("a timer far beyond what setTimeout takes runs once, when it is due", () => {
    const run = jest.fn();
    systemClock.schedule(100 * day, run);
    jest.advanceTimersByTime(100 * day - 1);
    expect(run).not.toHaveBeenCalled();
    jest.advanceTimersByTime(1);
    expect(run).toHaveBeenCalledTimes(1);
    jest.advanceTimersByTime(100 * day);
    expect(run).toHaveBeenCalledTimes(1);
    expect(jest.getTimerCount()).toBe(0);
  });

  it("a timer of any length asks setTimeout only for what it takes, and is due no earlier than told", () => {
    const largest = 2 ** 31 - 1;
    const edges = fc.constantFrom(0, 1, largest - 1, largest, largest + 1, 2 * largest, 2 * largest + 1);
    fc.assert(
      fc.property(fc.oneof(edges, fc.nat(20 * largest)), (delayMs) => {
        const run = jest.fn();
        systemClock.schedule(delayMs, run);
        if (delayMs > 1) {
          jest.advanceTimersByTime(delayMs - 1);
          expect(run).not.toHaveBeenCalled();
        }
        jest.advanceTimersByTime(Math.min(1, delayMs));
        expect(run).toHaveBeenCalledTimes(1);
      }),
    );
  });

  it("a cancelled timer never runs, also after its first stretch, and cancelling again does nothing", () => {
    const run = jest.fn();
    const cancelEarly = systemClock.schedule(10, run);
    const cancelLate = systemClock.schedule(60 * day, run);
    cancelEarly();
    jest.advanceTimersByTime(50 * day);
    cancelLate();
    cancelLate();
    cancelEarly();
    jest.advanceTimersByTime(60 * day);
    expect(run).not.toHaveBeenCalled();
    expect(jest.getTimerCount()).toBe(0);
  });

  it("no delay, or one that is over, runs as soon as possible but never at once", () => {
    for (const delayMs of [0, -5, -Infinity]) {
      const run = jest.fn();
      systemClock.schedule(delayMs, run);
      expect(run).not.toHaveBeenCalled();
      jest.advanceTimersByTime(1);
      expect(run).toHaveBeenCalledTimes(1);
    }
  });

  it("an endless delay never runs and can be cancelled", () => {
    const run = jest.fn();
    const cancel = systemClock.schedule(Infinity, run);
    jest.advanceTimersByTime(1_000 * day);
    cancel();
    expect(run).not.toHaveBeenCalled();
    expect(jest.getTimerCount()).toBe(0);
  });

  it("a delay resolves when it is due", async () => {
    let resolved = false;
    const waiting = delay(systemClock, 40 * day).then(() => {
      resolved = true;
    });
    await jest.advanceTimersByTimeAsync(40 * day - 1);
    expect(resolved).toBe(false);
    await jest.advanceTimersByTimeAsync(1);
    await waiting;
    expect(resolved).toBe(true);
  });
});

it("a background timer does not keep the process alive, an ordinary one does", () => {
  const active = (): number => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
  const before = active();
  const cancelBackground = systemClock.schedule(60 * day, () => undefined, true);
  expect(active()).toBe(before);
  const cancel = systemClock.schedule(60 * day, () => undefined);
  expect(active()).toBe(before + 1);
  cancel();
  cancelBackground();
  expect(active()).toBe(before);
});

it("the monotonic clock does not go back", () => {
  let last = systemClock.monotonic();
  for (let count = 0; count < 10_000; count++) {
    const now = systemClock.monotonic();
    expect(now >= last).toBe(true);
    last = now;
  }
});
