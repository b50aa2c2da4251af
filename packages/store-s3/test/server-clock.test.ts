import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { ServerClock } from "../src/index.ts";

const second = 1_000;

/** A server whose clock is `offset` ahead of the monotonic one, asked at `at`, answering after `there`, heard after `back`. */
const ask = (clock: ServerClock, offset: number, at: number, there: number, back: number): void =>
  clock.heard(Math.floor((at + there + offset) / second) * second, at, at + there + back);

const start = Date.UTC(2026, 6, 1) + 137;

describe("the server's clock, learnt from dates of whole seconds", () => {
  it("is not known before a response", () => {
    expect(new ServerClock(() => 5).now()).toBeUndefined();
  });

  it("is off by at most half a second and half a round trip after one response", () => {
    fc.assert(
      fc.property(fc.nat(999), fc.nat(50), fc.nat(50), (phase, there, back) => {
        let monotonic = 0;
        const clock = new ServerClock(() => monotonic);
        ask(clock, start + phase, 0, there, back);
        monotonic = there + back;
        const shown = clock.now() ?? 0;
        expect(Math.abs(shown - (start + phase + monotonic))).toBeLessThanOrEqual(501 + (there + back) / 2);
      }),
    );
  });

  it("is known to about a round trip after some seconds of traffic, and never went back meanwhile", () => {
    fc.assert(
      fc.property(
        fc.nat(999),
        fc.array(fc.integer({ min: 3, max: 60 }), { minLength: 200, maxLength: 300 }),
        (phase, gaps) => {
          let monotonic = 0;
          let last = 0;
          const clock = new ServerClock(() => monotonic);
          for (const gap of gaps) {
            ask(clock, start + phase, monotonic, 1, 2);
            monotonic += gap;
            const shown = clock.now() ?? 0;
            expect(shown).toBeGreaterThanOrEqual(last);
            last = shown;
          }
          expect(Math.abs(last - (start + phase + monotonic))).toBeLessThanOrEqual(62);
        },
      ),
      { numRuns: 30 },
    );
  });

  it("follows a server whose clock is set, forwards and back", () => {
    for (const jump of [3_600_000, -3_600_000]) {
      let monotonic = 0;
      const clock = new ServerClock(() => monotonic);
      for (; monotonic < 3_000; monotonic += 20) ask(clock, start, monotonic, 1, 1);
      clock.now();
      ask(clock, start + jump, monotonic, 1, 1);
      expect(Math.abs((clock.now() ?? 0) - (start + jump + monotonic))).toBeLessThanOrEqual(1_003);
    }
  });

  it("moves no farther than it must where two servers disagree by a little", () => {
    let monotonic = 0;
    const clock = new ServerClock(() => monotonic);
    for (; monotonic < 5_000; monotonic += 10) ask(clock, start + (monotonic % 20), monotonic, 1, 1);
    expect(Math.abs((clock.now() ?? 0) - (start + monotonic))).toBeLessThanOrEqual(40);
  });

  it("keeps pace with a clock that drifts", () => {
    let monotonic = 0;
    const clock = new ServerClock(() => monotonic);
    const drift = 1 + 100e-6;
    for (; monotonic < 600_000; monotonic += 37) {
      const date = Math.floor(((monotonic + 1) * drift + start) / second) * second;
      clock.heard(date, monotonic, monotonic + 2);
    }
    expect(Math.abs((clock.now() ?? 0) - (start + monotonic * drift))).toBeLessThanOrEqual(100);
  });
});
