import { describe, expect, it } from "@jest/globals";
import { CoarseClock } from "../../src/mechanisms/coarse-clock.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

/** A clock that says how often it was read. */
class ReadClock extends VirtualClock {
  reads = 0;

  override monotonic(): number {
    this.reads++;
    return super.monotonic();
  }
}

describe("the clock that hits are judged by", () => {
  it("is read once for 64 hits", () => {
    const clock = new ReadClock();
    const coarse = new CoarseClock(clock, false);
    const before = clock.reads;
    for (let hit = 0; hit < 640; hit++) coarse.now();
    expect(clock.reads - before).toBeGreaterThanOrEqual(10);
    // The timer that each reading may arm reads this clock too.
    expect(clock.reads - before).toBeLessThanOrEqual(12);
  });

  it("is late by 1 ms at most where the event loop turns", async () => {
    const clock = new ReadClock();
    const coarse = new CoarseClock(clock, false);
    const first = coarse.now();
    await clock.advance(1);
    expect(coarse.now()).toBe(first + 1);
    await clock.advance(500);
    expect(coarse.now()).toBe(first + 501);
  });

  it("keeps one timer at most, and none once it is ended", async () => {
    const clock = new ReadClock();
    const coarse = new CoarseClock(clock, false);
    for (let hit = 0; hit < 1_000; hit++) coarse.now();
    expect(clock.pending).toBe(1);
    coarse.end();
    expect(clock.pending).toBe(0);
  });

  it("is exact, and without a timer, where time was injected", async () => {
    const clock = new ReadClock();
    const coarse = new CoarseClock(clock, true);
    const before = clock.reads;
    for (let hit = 0; hit < 100; hit++) coarse.now();
    expect(clock.reads - before).toBe(100);
    expect(clock.pending).toBe(0);
  });
});
