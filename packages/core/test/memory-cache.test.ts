import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { WarpError } from "../src/errors.ts";
import { MemoryCache, type MemoryCacheOptions } from "../src/memory/memory-cache.ts";
import type { Clock } from "../src/values/clock.ts";
import {
  BareEntry,
  dirtyGeneration,
  type EntryOwner,
  isVisited,
  markVisited,
  TrackedEntry,
} from "../src/values/entry.ts";

const owner: EntryOwner = { generation: 0, hits: 0, graceMs: 0, eagerShare: 0, ttlMs: 1_000 };
const lasting = (value: unknown = "v"): BareEntry => new BareEntry(value, owner, 0, Number.POSITIVE_INFINITY);
const until = (freshUntil: number): BareEntry => new BareEntry("v", owner, 0, freshUntil);
const dirty = (): BareEntry => new BareEntry("v", owner, dirtyGeneration, Number.POSITIVE_INFINITY);
const keysOf = (cache: MemoryCache): string[] => [...cache.entries()].map(([key]) => key);

/** Time that moves only when told to; timers fire in order. */
class HandClock implements Clock {
  time = 0;
  slices = 0;
  #timers: { at: number; run: () => void }[] = [];

  now = (): number => this.time;
  monotonic = (): number => this.time;
  get timers(): number {
    return this.#timers.length;
  }
  schedule(delayMs: number, run: () => void): () => void {
    if (delayMs === 0) this.slices++;
    const timer = { at: this.time + delayMs, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }
  advance(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.time = Math.max(this.time, next.at);
      next.run();
    }
    this.time = end;
  }
}

/**
 * The rules of eviction, told with two plain queues, the oldest first: newcomers on probation, and the others, which a
 * SIEVE hand goes round.
 */
class Rules {
  proven: { key: string; visited: boolean }[] = [];
  newcomers: { key: string; visited: boolean }[] = [];
  hand = 0;
  started = false;
  readonly #most: number;
  #lot = 0x1e3779b9;

  constructor(most: number) {
    this.#most = most;
  }
  get queue(): { key: string; visited: boolean }[] {
    return [...this.proven, ...this.newcomers];
  }
  #find(key: string): { key: string; visited: boolean } | undefined {
    return this.queue.find((item) => item.key === key);
  }
  visit(key: string): void {
    const item = this.#find(key);
    if (item !== undefined) item.visited = true;
  }
  set(key: string): void {
    if (this.#find(key) !== undefined) {
      this.visit(key);
      return;
    }
    const isFull = this.queue.length === this.#most;
    this.started ||= isFull;
    if (!this.started) {
      this.proven.push({ key, visited: false });
      return;
    }
    this.newcomers.push({ key, visited: false });
    // Room for fewer than 32: one is on probation, the newest.
    if (this.newcomers.length > 1 && !this.#judge(isFull)) return;
    if (isFull && this.queue.length > this.#most) this.#sweepOne();
  }
  /** The older newcomer stays or goes. Whether it stayed. */
  #judge(isFull: boolean): boolean {
    const [oldest] = this.newcomers.splice(0, 1);
    const stays = !isFull || oldest!.visited || this.#drawsLot();
    if (stays) this.proven.push(oldest!);
    return stays;
  }
  #drawsLot(): boolean {
    this.#lot ^= this.#lot << 13;
    this.#lot ^= this.#lot >>> 17;
    this.#lot ^= this.#lot << 5;
    return this.#lot >>> 0 < 2 ** 29;
  }
  #sweepOne(): void {
    for (;;) {
      if (this.hand >= this.proven.length) this.hand = 0;
      const item = this.proven[this.hand]!;
      if (!item.visited) {
        this.proven.splice(this.hand, 1);
        // A round that is complete is over at once: who joins the others later is not of it.
        if (this.hand >= this.proven.length) this.hand = 0;
        return;
      }
      item.visited = false;
      this.hand++;
    }
  }
}

describe("eviction", () => {
  const operation = fc.tuple(
    fc.constantFrom("set", "set", "set", "visit", "visit", "delete"),
    fc.integer({ min: 0, max: 15 }),
  );

  it("what is held is what the rules say, whatever is set and read", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 9 }), fc.array(operation, { maxLength: 300 }), (most, operations) => {
        const cache = new MemoryCache({ maxEntries: most });
        const model = new Rules(most);
        for (const [kind, number] of operations) {
          const key = `k${number}`;
          if (kind === "set") {
            cache.set(key, lasting());
            model.set(key);
          } else if (kind === "visit") {
            const entry = cache.get(key);
            if (entry !== undefined) markVisited(entry);
            model.visit(key);
          }
          expect([...cache.entries()].map(([held, entry]) => ({ key: held, visited: isVisited(entry) }))).toEqual(
            model.queue,
          );
        }
      }),
      { numRuns: 500 },
    );
  });

  it("the bound and the newest are held, and deleted keys are gone, also where much is deleted", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.array(operation, { maxLength: 300 }), (most, operations) => {
        const cache = new MemoryCache({ maxEntries: most });
        for (const [index, [kind, number]] of operations.entries()) {
          // More keys than one can list: each is set, read and deleted now and then.
          const key = `k${(number * 7 + (index >> 3)) % 60}`;
          const entry = cache.get(key);
          if (kind === "set") cache.set(key, lasting());
          else if (kind === "delete") expect(cache.delete(key)).toBe(entry !== undefined);
          else if (entry !== undefined) markVisited(entry);
          expect(cache.get(key) !== undefined).toBe(kind === "set" || (kind === "visit" && entry !== undefined));
          expect(cache.stats.entries).toBeLessThanOrEqual(most);
        }
      }),
      { numRuns: 500 },
    );
  });

  /** The share of requests that hit. */
  const hitShare = (cache: MemoryCache, requests: number, keyOf: (request: number) => string): number => {
    let hits = 0;
    for (let request = 0; request < requests; request++) {
      const entry = cache.get(keyOf(request));
      if (entry === undefined) cache.set(keyOf(request), lasting());
      else {
        markVisited(entry);
        hits++;
      }
    }
    return hits / requests;
  };

  it("of a walk round and round over twice as many keys as fit, most of what fits is hit", () => {
    const cache = new MemoryCache({ maxEntries: 1_000 });
    // The best that can be had is a half.
    expect(hitShare(cache, 40_000, (request) => `k${request % 2_000}`)).toBeGreaterThan(0.35);
  });

  it.each([300, 1_000, 10_000])(
    "once other keys are asked for, they are held within some rounds: room for %d",
    (most) => {
      const cache = new MemoryCache({ maxEntries: most });
      const keys = most * 0.9;
      hitShare(cache, 20 * keys, (request) => `old${request % keys}`);
      hitShare(cache, 12 * keys, (request) => `new${request % keys}`);
      expect(hitShare(cache, keys, (request) => `new${request % keys}`)).toBeGreaterThan(0.9);
    },
  );

  it("where all that is proven is dirty, newcomers make room for one another", () => {
    const cache = new MemoryCache({ maxEntries: 100 });
    for (let i = 0; i < 96; i++) cache.set(`dirty${i}`, dirty());
    for (let i = 0; i < 1_000; i++) {
      cache.set(`k${i}`, lasting());
      expect(cache.get(`k${i}`)).toBeDefined();
      expect(cache.stats.entries).toBeLessThanOrEqual(100);
    }
    for (let i = 0; i < 96; i++) expect(cache.get(`dirty${i}`)).toBeDefined();
  });

  it("get alone is no visit: core marks what it serves", () => {
    const cache = new MemoryCache({ maxEntries: 2 });
    cache.set("a", lasting());
    cache.set("b", lasting());
    cache.get("a");
    cache.set("c", lasting());
    expect(keysOf(cache)).toEqual(["b", "c"]);
  });

  it("a loop over more keys than fit does not push out what is read all the time", () => {
    const cache = new MemoryCache({ maxEntries: 100 });
    for (let round = 0; round < 1_000; round++) {
      for (const key of ["hot1", "hot2", `cold${round % 300}`]) {
        const entry = cache.get(key);
        if (entry === undefined) cache.set(key, lasting());
        else markVisited(entry);
      }
    }
    expect(keysOf(cache)).toEqual(expect.arrayContaining(["hot1", "hot2"]));
    expect(cache.stats).toMatchObject({ entries: 100, expirations: 0 });
    expect(cache.stats.evictions).toBeGreaterThan(500);
  });

  it("dirty entries stay when the cache is full, and make room once they are settled", () => {
    const cache = new MemoryCache({ maxEntries: 10 });
    for (let i = 0; i < 25; i++) cache.set(`dirty${i}`, dirty());
    expect(cache.stats.entries).toBe(25);
    cache.set("clean", lasting());
    expect(cache.get("clean")).toBeUndefined();
    expect(cache.stats.entries).toBe(25);
    for (let i = 0; i < 25; i++) cache.set(`dirty${i}`, lasting());
    for (let i = 0; i < 10; i++) cache.set(`new${i}`, lasting());
    expect(cache.stats.entries).toBe(10);
  });

  it("a dirty entry among clean ones is passed over, not dropped", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 30 })), { maxLength: 200 }), (puts) => {
        const cache = new MemoryCache({ maxEntries: 6 });
        const unsettled = new Set<string>();
        for (const [isClean, number] of puts) {
          const key = `k${number}`;
          cache.set(key, isClean ? lasting() : dirty());
          if (isClean) unsettled.delete(key);
          else unsettled.add(key);
          for (const held of unsettled) expect(cache.get(held)).toBeDefined();
          expect(cache.stats.entries).toBeLessThanOrEqual(Math.max(6, unsettled.size));
        }
      }),
    );
  });
});

describe("a bound in bytes", () => {
  const sized = (options: MemoryCacheOptions = {}): MemoryCache =>
    new MemoryCache({ maxBytes: 100, sizeOf: (_key, value) => value as number, ...options });

  it("is kept through sets, replacements and deletes, and nothing that fits is left out for long", () => {
    const step = fc.tuple(
      fc.constantFrom("set", "set", "delete"),
      fc.integer({ min: 0, max: 12 }),
      fc.integer({ min: 0, max: 120 }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const cache = sized();
        for (const [kind, number, size] of steps) {
          const key = `k${number}`;
          if (kind === "set") {
            cache.set(key, lasting(size));
            expect(cache.get(key) !== undefined).toBe(size <= 100);
          } else cache.delete(key);
          const held = [...cache.entries()].reduce((sum, [, entry]) => sum + (entry.value as number), 0);
          expect(cache.stats.bytes).toBe(held);
          expect(held).toBeLessThanOrEqual(100);
        }
      }),
    );
  });

  it("a value that grows makes room also after a newcomer that was removed", () => {
    const cache = sized();
    cache.set("a", lasting(0));
    cache.set("b", lasting(0));
    cache.set("too large", lasting(101));
    cache.set("b", lasting(84));
    cache.set("a", lasting(17));
    expect([cache.get("a")?.value, cache.get("b")]).toEqual([17, undefined]);
  });

  it("a value that grows makes room among the others, and does not go itself", () => {
    const cache = sized();
    cache.set("a", lasting(0));
    cache.set("b", lasting(94));
    cache.set("a", lasting(82));
    expect([cache.get("a")?.value, cache.get("b")]).toEqual([82, undefined]);
  });

  it("counts what a value weighed when it was put, although it was edited since", () => {
    const cache = new MemoryCache({ maxBytes: 1_000, sizeOf: (_key, value) => (value as string[]).length });
    const value = ["a", "b"];
    cache.set("k", lasting(value));
    value.push("c", "d");
    cache.delete("k");
    expect(cache.stats.bytes).toBe(0);
  });

  it("an entry too large for the whole cache pushes nothing else out, and takes its older self along", () => {
    const cache = sized();
    cache.set("a", lasting(40));
    cache.set("b", lasting(40));
    cache.set("a", lasting(101));
    expect(keysOf(cache)).toEqual(["b"]);
    expect(cache.stats.bytes).toBe(40);
  });

  it("a sizeOf that throws or gives no size is INVALID_VALUE and changes nothing", () => {
    for (const sizeOf of [() => Number.NaN, () => -1, () => "7" as unknown as number, () => JSON.parse("{")]) {
      let broken = false;
      const cache = sized({ sizeOf: () => (broken ? sizeOf() : 1) });
      cache.set("k", lasting("old"));
      broken = true;
      expect(() => cache.set("k", lasting("new"))).toThrow(
        expect.objectContaining({ code: "INVALID_VALUE", key: "k" }),
      );
      expect(cache.get("k")?.value).toBe("old");
      expect(cache.stats.bytes).toBe(1);
    }
  });

  it("is estimated where no sizeOf is given: at least the text and the bytes, cycles included", () => {
    const cache = new MemoryCache({ maxBytes: 1_000_000 });
    const value: Record<string, unknown> = {
      text: "x".repeat(1_000),
      list: [1, 2.5, null, true],
      bytes: new Uint8Array(2_000),
      map: new Map([["k", new Set(["y".repeat(500)])]]),
      big: 10n,
    };
    value.self = value;
    cache.set("k", lasting(value));
    expect(cache.stats.bytes).toBeGreaterThan(3_500);
    expect(cache.stats.bytes).toBeLessThan(6_000);
    cache.set("absent", lasting(undefined));
    cache.clear();
    expect(cache.stats.bytes).toBe(0);
  });
});

describe("expiry", () => {
  it("an expired entry is still there until it is swept: only core judges", () => {
    const clock = new HandClock();
    const cache = new MemoryCache({ clock });
    cache.set("k", until(10));
    clock.advance(100);
    expect(cache.get("k")).toBeDefined();
  });

  it("fifty thousand expired entries are gone within a second, in slices", () => {
    const clock = new HandClock();
    const cache = new MemoryCache({ clock });
    for (let i = 0; i < 50_000; i++) cache.set(`k${i}`, until(5_000 + (i % 50)));
    clock.advance(5_000);
    expect(cache.stats.entries).toBe(50_000);
    clock.advance(1_050);
    expect(cache.stats).toMatchObject({ entries: 0, expirations: 50_000, evictions: 0 });
    expect(clock.slices).toBeGreaterThan(10);
    expect(clock.timers).toBe(0);
  });

  it("an entry stays as long as fail-safe may need it", () => {
    const clock = new HandClock();
    const cache = new MemoryCache({ clock });
    cache.set("k", new BareEntry("v", { ...owner, graceMs: 60_000 }, 0, 1_000));
    cache.set("eager", new TrackedEntry("v", { ...owner, eagerShare: 0.5 }, 0, 1_000, 0, undefined));
    clock.advance(1_900);
    expect(keysOf(cache)).toEqual(["k", "eager"]);
    clock.advance(1_200);
    expect(keysOf(cache)).toEqual(["k"]);
    clock.advance(57_000);
    expect(keysOf(cache)).toEqual(["k"]);
    clock.advance(2_000);
    expect(keysOf(cache)).toEqual([]);
  });

  it("whatever is set, replaced, prolonged and deleted, what is useless leaves within a second and nothing else does", () => {
    const life = fc.constantFrom(1, 300, 5_000, 60_000, 600_000, 4_000_000, Number.POSITIVE_INFINITY);
    const step = fc.tuple(
      fc.constantFrom("set", "set", "prolong", "delete", "wait", "wait"),
      fc.integer({ min: 0, max: 20 }),
      life,
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const clock = new HandClock();
        const cache = new MemoryCache({ clock });
        const ends = new Map<string, number>();
        for (const [kind, number, ms] of steps) {
          const key = `k${number}`;
          const entry = cache.get(key);
          if (kind === "set") {
            cache.set(key, until(clock.time + ms));
            ends.set(key, clock.time + ms);
          } else if (kind === "delete") {
            cache.delete(key);
            ends.delete(key);
          } else if (kind === "wait") clock.advance(Math.min(ms, 4_000_000));
          else if (entry !== undefined) {
            entry.freshUntil = Math.max(entry.freshUntil, clock.time + ms);
            ends.set(key, entry.freshUntil);
          }
          for (const [held, end] of ends) {
            if (end > clock.time) expect(cache.get(held)).toBeDefined();
            if (end <= clock.time - 1_001) expect(cache.get(held)).toBeUndefined();
          }
        }
      }),
    );
  });

  it("nothing that lasts for ever arms a timer, nor does an empty cache", () => {
    const clock = new HandClock();
    const cache = new MemoryCache({ clock });
    for (let i = 0; i < 100; i++) cache.set(`k${i}`, lasting());
    cache.set("dirty", new BareEntry("v", owner, dirtyGeneration, 5));
    expect(clock.timers).toBe(0);
    cache.set("short", until(10));
    expect(clock.timers).toBe(1);
    clock.advance(2_000);
    expect(keysOf(cache)).toHaveLength(101);
    expect(clock.timers).toBe(0);
    cache.set("short", until(clock.time + 10));
    cache.clear();
    expect(clock.timers).toBe(0);
  });

  it("a large cache in which nothing has expired is not walked, and few expired entries are waited for", () => {
    const clock = new HandClock();
    const cache = new MemoryCache({ clock });
    for (let i = 0; i < 60_000; i++) cache.set(`k${i}`, until(3_600_000));
    clock.advance(300_000);
    expect(clock.slices).toBe(0);
    for (let i = 0; i < 50; i++) cache.set(`k${i}`, until(clock.time + 1_000));
    clock.advance(3_000);
    expect(cache.stats.entries).toBe(60_000);
    clock.advance(10_000);
    expect(cache.stats.entries).toBe(59_950);
    const slicesOfOnePass = clock.slices;
    clock.advance(400_000);
    expect(clock.slices).toBe(slicesOfOnePass);
  });

  it("lives of years neither overflow nor keep the sweep busy", () => {
    const clock = new HandClock();
    const cache = new MemoryCache({ clock });
    const year = 365 * 86_400_000;
    for (let i = 0; i < 20_000; i++) cache.set(`k${i}`, until(2 * year + i));
    cache.set("short", until(1_000));
    clock.advance(86_400_000);
    expect(clock.slices).toBeLessThan(50);
    expect(cache.stats.entries).toBe(20_000);
    clock.time = 2 * year - 1_000;
    clock.advance(40_000);
    expect(cache.stats.entries).toBe(0);
  });

  it("entries set during a pass are kept, counted, and swept in their turn", () => {
    const clock = new HandClock();
    const cache = new MemoryCache({ clock });
    for (let i = 0; i < 20_000; i++) cache.set(`k${i}`, until(1_000));
    let added = 0;
    const schedule = clock.schedule.bind(clock);
    clock.schedule = (delayMs, run) =>
      schedule(delayMs, () => {
        if (delayMs === 0) {
          cache.set(`late${added++}`, until(clock.time + 50_000));
          cache.set(`k${19_999 - added}`, until(clock.time + 50_000));
        }
        run();
      });
    clock.advance(2_100);
    expect(added).toBeGreaterThan(2);
    expect(cache.stats.entries).toBe(2 * added);
    clock.advance(51_000);
    expect(cache.stats.entries).toBe(0);
    expect(clock.timers).toBe(0);
  });

  it("close ends the sweep, during a pass too, and leaves what is held readable", () => {
    const clock = new HandClock();
    const cache = new MemoryCache({ clock });
    for (let i = 0; i < 50_000; i++) cache.set(`k${i}`, until(100));
    const schedule = clock.schedule.bind(clock);
    clock.schedule = (delayMs, run) => schedule(delayMs, delayMs === 0 ? () => cache.close() : run);
    clock.advance(600);
    expect(clock.timers).toBe(0);
    expect(cache.stats.entries).toBeGreaterThan(0);
    cache.set("k", until(clock.time + 5));
    expect(clock.timers).toBe(0);
    expect(cache.get("k")).toBeDefined();
  });

  it("no timer of the sweep keeps the process alive", () => {
    const clock = new HandClock();
    const kinds: boolean[] = [];
    const schedule: Clock["schedule"] = (delayMs, run, background = false) => {
      kinds.push(background);
      return clock.schedule(delayMs, run);
    };
    const cache = new MemoryCache({ clock: { now: clock.now, monotonic: clock.monotonic, schedule } });
    for (let i = 0; i < 10_000; i++) cache.set(`k${i}`, until(50));
    clock.advance(2_000);
    expect(cache.stats.entries).toBe(0);
    expect(kinds.length).toBeGreaterThan(2);
    expect(kinds).not.toContain(false);
  });
});

describe("iteration", () => {
  it("a walk is safe against entries that come, go and are replaced meanwhile", () => {
    const cache = new MemoryCache({ maxEntries: 1_000 });
    for (let i = 0; i < 500; i++) cache.set(`k${i}`, lasting(i));
    const seen = new Set<string>();
    for (const [key, entry] of cache.entries()) {
      seen.add(key);
      expect(cache.get(key)).toBe(entry);
      const number = entry.value as number;
      if (number % 3 === 0) cache.delete(key);
      else if (number % 3 === 1) cache.set(key, lasting(number));
      if (number < 100) cache.set(`new${number}`, lasting(number + 1_000));
      cache.delete(`k${number + 7}`);
    }
    for (const key of keysOf(cache)) expect(seen.has(key)).toBe(true);
  });
});

it("options that make no sense are INVALID_ARGUMENT and name themselves", () => {
  const wrong: [string, MemoryCacheOptions][] = [
    ["maxEntries", { maxEntries: 0 }],
    ["maxEntries", { maxEntries: 1.5 }],
    ["maxEntries", { maxEntries: 2 ** 23 + 1 }],
    ["maxEntries", { maxEntries: Number.POSITIVE_INFINITY }],
    ["maxBytes", { maxBytes: 0 }],
    ["maxBytes", { maxBytes: Number.NaN }],
    ["sizeOf", { maxBytes: 10, sizeOf: 5 as never }],
    ["isolate", { isolate: "copy" as never }],
    ["sweepInterval", { sweepInterval: "5ms" }],
    ["sweepInterval", { sweepInterval: Number.POSITIVE_INFINITY }],
  ];
  for (const [field, options] of wrong) {
    let thrown: unknown;
    try {
      new MemoryCache(options);
    } catch (error) {
      thrown = error;
    }
    expect(WarpError.has(thrown, "INVALID_ARGUMENT")).toBe(true);
    expect((thrown as WarpError).message).toContain(field);
  }
});
