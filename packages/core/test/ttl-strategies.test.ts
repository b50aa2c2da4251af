import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { WarpError } from "../src/errors.ts";
import type { TtlStrategy } from "../src/ports/ttl-strategy.ts";
import { type AdaptiveTtlOptions, adaptiveTtl } from "../src/ttl/adaptive-ttl.ts";
import { frequencyTtl } from "../src/ttl/frequency-ttl.ts";
import { ReadCounts } from "../src/ttl/read-counts.ts";
import { slidingTtl } from "../src/ttl/sliding-ttl.ts";

const clockAt = (start = 1_000_000) => {
  let now = start;
  const advance = (ms: number): void => {
    now += ms;
  };
  return { monotonic: () => now, advance };
};
const read = (strategy: TtlStrategy, key: string, times: number): void => {
  for (let n = 0; n < times; n++) strategy.record(key);
};
const expectInvalid = (words: RegExp, run: () => unknown): void => {
  let error: unknown;
  try {
    run();
  } catch (thrown) {
    error = thrown;
  }
  expect(WarpError.has(error, "INVALID_ARGUMENT")).toBe(true);
  expect((error as WarpError).message).toMatch(words);
};

describe("sliding", () => {
  it("every hit extends the life of any key by the same time", () => {
    const strategy = slidingTtl("5m");
    strategy.record("k");
    expect(strategy.extendsOnHit).toBe(true);
    expect([strategy.ttl("k"), strategy.ttl("other")]).toEqual([300_000, 300_000]);
    expect(slidingTtl(Infinity).ttl("k")).toBe(Infinity);
  });

  it("a life of nothing is refused", () => {
    for (const ttl of [0, -1, NaN, "0ms", "5 minutes", undefined])
      expectInvalid(/^slidingTtl: ttl/, () => slidingTtl(ttl as never));
  });
});

describe("adaptive", () => {
  const options = { min: "1s", max: "1m" } as const;

  it("with the default factor the life grows in proportion to the reads, from min to max", () => {
    const strategy = adaptiveTtl({ ...options, clock: clockAt() });
    expect(strategy.ttl("k")).toBe(1_000);
    read(strategy, "k", 3);
    expect(strategy.ttl("k")).toBe(4_000);
    expect(strategy.ttl("other")).toBe(1_000);
    read(strategy, "k", 100);
    expect(strategy.ttl("k")).toBe(60_000);
    expect(strategy.extendsOnHit).toBeUndefined();
  });

  it("factor is what a doubling of reads does to the life", () => {
    const strategy = adaptiveTtl({ ...options, factor: 1.5, clock: clockAt() });
    read(strategy, "k", 3);
    expect(strategy.ttl("k")).toBe(2_250);
  });

  it("a key that is no longer read falls back to min", () => {
    const clock = clockAt();
    const strategy = adaptiveTtl({ ...options, window: "10s", clock });
    read(strategy, "k", 8);
    clock.advance(15_000);
    expect(strategy.ttl("k")).toBe(5_000);
    clock.advance(5_000);
    expect(strategy.ttl("k")).toBe(1_000);
  });

  it("whatever the reads, the life lies between min and max and more reads never shorten it", () => {
    const duration = fc.integer({ min: 1, max: 10 ** 9 });
    const factor = fc.double({ min: 1.001, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(duration, duration, factor, fc.array(fc.nat(40), { maxLength: 8 }), (a, b, factor, bursts) => {
        const [min, max] = [Math.min(a, b), Math.max(a, b)];
        const strategy = adaptiveTtl({ min, max, factor, clock: clockAt() });
        let before = min;
        for (const burst of bursts) {
          read(strategy, "k", burst);
          const ttl = strategy.ttl("k");
          expect(ttl).toBeGreaterThanOrEqual(before);
          expect(ttl).toBeLessThanOrEqual(max);
          before = ttl;
        }
      }),
    );
  });

  it("no number of reads makes the life NaN", () => {
    const strategy = adaptiveTtl({ min: 1, max: Infinity, factor: Number.MAX_VALUE, clock: clockAt() });
    read(strategy, "k", 10);
    expect(strategy.ttl("k")).toBe(Infinity);
  });

  it("options that cannot be meant are refused by name", () => {
    const bad: [Partial<Record<keyof AdaptiveTtlOptions, unknown>>, RegExp][] = [
      [{ min: 0 }, /^adaptiveTtl: min/],
      [{ min: Infinity }, /^adaptiveTtl: min/],
      [{ max: "999ms" }, /^adaptiveTtl: max must be .* at least 1000 ms/],
      [{ factor: 1 }, /^adaptiveTtl: factor must be above 1; got number 1/],
      [{ factor: NaN }, /^adaptiveTtl: factor/],
      [{ factor: "2" }, /^adaptiveTtl: factor/],
      [{ window: 0 }, /^adaptiveTtl: window/],
      [{ window: Infinity }, /^adaptiveTtl: window/],
      [{ maxKeys: 1 }, /^adaptiveTtl: maxKeys must be a whole number, at least 2; got number 1/],
      [{ maxKeys: 2.5 }, /^adaptiveTtl: maxKeys/],
    ];
    for (const [wrong, words] of bad)
      expectInvalid(words, () => adaptiveTtl({ ...options, ...wrong } as AdaptiveTtlOptions));
  });
});

describe("frequency steps", () => {
  const steps = [
    { reads: 0, ttl: "10s" },
    { reads: 10, ttl: "1m" },
    { reads: 100, ttl: Infinity },
  ] as const;

  it("the last step that the reads reached decides", () => {
    const strategy = frequencyTtl(steps, { clock: clockAt() });
    const ttlAfter = (times: number): number => {
      read(strategy, "k", times);
      return strategy.ttl("k");
    };
    expect([0, 9, 1, 89, 1].map(ttlAfter)).toEqual([10_000, 10_000, 60_000, 60_000, Infinity]);
    expect(strategy.ttl("other")).toBe(10_000);
  });

  it("a key that is no longer read goes down the steps", () => {
    const clock = clockAt();
    const strategy = frequencyTtl(steps, { window: "1m", clock });
    read(strategy, "k", 100);
    clock.advance(60_000);
    expect(strategy.ttl("k")).toBe(Infinity);
    clock.advance(1);
    expect(strategy.ttl("k")).toBe(60_000);
    clock.advance(59_999);
    expect(strategy.ttl("k")).toBe(10_000);
  });

  it("steps that cannot be meant are refused by name", () => {
    const ttl = "1s";
    const bad: [unknown, RegExp][] = [
      [[], /^frequencyTtl: steps must be an array of at least one step/],
      [undefined, /^frequencyTtl: steps/],
      [[{ reads: 1, ttl }], /steps\[0\]\.reads must be 0; got number 1/],
      [
        [
          { reads: 0, ttl },
          { reads: 0, ttl },
        ],
        /steps\[1\]\.reads must be a whole number above 0; got number 0/,
      ],
      [
        [
          { reads: 0, ttl },
          { reads: 5, ttl },
          { reads: 4, ttl },
        ],
        /steps\[2\]\.reads must be a whole number above 5/,
      ],
      [
        [
          { reads: 0, ttl },
          { reads: 1.5, ttl },
        ],
        /steps\[1\]\.reads/,
      ],
      [[{ reads: 0, ttl: 0 }], /steps\[0\]\.ttl/],
    ];
    for (const [wrong, words] of bad) expectInvalid(words, () => frequencyTtl(wrong as never));
    expectInvalid(/^frequencyTtl: maxKeys/, () => frequencyTtl(steps, { maxKeys: 0 }));
  });
});

describe("read counts", () => {
  it("reads of the window before count by the share that lies within a window of now", () => {
    const clock = clockAt();
    const counts = new ReadCounts("test", { window: 100, clock });
    for (let n = 0; n < 8; n++) counts.record("k");
    clock.advance(125);
    counts.record("k");
    expect(counts.reads("k")).toBe(1 + 8 * 0.75);
    clock.advance(50);
    expect(counts.reads("k")).toBe(1 + 8 * 0.25);
  });

  it("no more than maxKeys are held, however many are read, and a key read throughout is not forgotten", () => {
    const counts = new ReadCounts("test", { maxKeys: 100, clock: clockAt() });
    let most = 0;
    for (let n = 0; n < 20_000; n++) {
      counts.record(`once:${n}`);
      if (n % 10 === 0) counts.record("popular");
      most = Math.max(most, counts.keys);
    }
    expect(most).toBe(100);
    expect(counts.reads("popular")).toBeGreaterThan(1);
    expect(counts.reads("once:0")).toBe(0);
  });

  it("after two idle windows nothing is held", () => {
    const clock = clockAt();
    const counts = new ReadCounts("test", { window: 100, clock });
    counts.record("k");
    clock.advance(200);
    expect([counts.reads("k"), counts.keys]).toEqual([0, 0]);
  });

  it("the count is never more than the reads of the last two windows, nor less than those of the running one", () => {
    const step = fc.record({ gap: fc.nat(150), key: fc.constantFrom("a", "b") });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const clock = clockAt(0);
        const counts = new ReadCounts("test", { window: 100, clock });
        const reads: number[] = [];
        for (const { gap, key } of steps) {
          clock.advance(gap);
          counts.record(key);
          if (key === "a") reads.push(clock.monotonic());
          const recent = reads.filter((at) => at > clock.monotonic() - 200).length;
          expect(counts.reads("a")).toBeLessThanOrEqual(recent);
          expect(counts.reads("a")).toBeGreaterThanOrEqual(key === "a" ? 1 : 0);
        }
      }),
    );
  });
});
