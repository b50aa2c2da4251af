import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { ExpiryTimer } from "../src/mechanisms/expiry-timer.ts";
import type { Cancel, Clock } from "../src/values/clock.ts";

/** Moves by hand, and holds one timer at a time: more would be a fault. */
class OneTimerClock implements Clock {
  time = 0;
  armed = 0;
  #pending: { readonly at: number; readonly run: () => void } | undefined;

  now(): number {
    return this.time;
  }

  monotonic(): number {
    return this.time;
  }

  schedule(delayMs: number, run: () => void): Cancel {
    if (this.#pending !== undefined) throw new Error("a second timer");
    const own = { at: this.time + delayMs, run };
    this.#pending = own;
    this.armed++;
    return () => {
      if (this.#pending === own) this.#pending = undefined;
    };
  }

  get dueAt(): number | undefined {
    return this.#pending?.at;
  }

  fire(): void {
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.run();
  }

  to(time: number): void {
    for (let at = this.dueAt; at !== undefined && at <= time; at = this.dueAt) {
      this.time = Math.max(this.time, at);
      this.fire();
    }
    this.time = time;
  }
}

const timerOf = (most = 1_000) => {
  const clock = new OneTimerClock();
  const due: string[] = [];
  return { clock, due, timer: new ExpiryTimer({ clock, most, onDue: (id) => due.push(id) }) };
};

describe("ids with times", () => {
  it("are due in order, each at the last time it was given, by one timer", () => {
    const actions = fc.array(
      fc.oneof(
        fc.record({ kind: fc.constant("set" as const), id: fc.nat(15), delay: fc.nat(50) }),
        fc.record({ kind: fc.constant("delete" as const), id: fc.nat(15), delay: fc.constant(0) }),
        fc.record({ kind: fc.constant("wait" as const), id: fc.constant(0), delay: fc.nat(20) }),
      ),
      { maxLength: 300 },
    );
    fc.assert(
      fc.property(actions, (steps) => {
        const { clock, due, timer } = timerOf();
        const model = new Map<string, number>();
        const pass = (until: number): string[] => {
          const passed = [...model].filter(([, at]) => at <= until).sort(([, a], [, b]) => a - b);
          for (const [id] of passed) model.delete(id);
          return passed.map(([id]) => id);
        };
        for (const { kind, id, delay } of steps) {
          if (kind === "set") {
            timer.set(`${id}`, delay);
            model.set(`${id}`, clock.time + delay);
          } else if (kind === "delete") expect(timer.delete(`${id}`)).toBe(model.delete(`${id}`));
          else {
            const expected = pass(clock.time + delay);
            clock.to(clock.time + delay);
            expect([...due].sort()).toEqual([...expected].sort());
            due.length = 0;
          }
          expect(timer.size).toBe(model.size);
        }
      }),
    );
  });

  it("are not due early when the timer fires early", () => {
    const { clock, due, timer } = timerOf();
    timer.set("a", 10);
    clock.time = 9;
    clock.fire();
    expect(due).toEqual([]);
    expect(clock.dueAt).toBe(10);
    clock.to(10);
    expect(due).toEqual(["a"]);
  });

  it("that are never due need no timer, and a time in the past is now", () => {
    const { clock, due, timer } = timerOf();
    timer.set("forever", Number.POSITIVE_INFINITY);
    expect(clock.dueAt).toBeUndefined();
    expect(timer.size).toBe(1);
    timer.set("late", -5);
    clock.to(0);
    expect(due).toEqual(["late"]);
    timer.end();
    timer.set("a", 1);
    expect(timer.size).toBe(0);
    expect(clock.dueAt).toBeUndefined();
  });

  it("beyond the bound are forgotten, those due last first, and whoever asks in time is told", () => {
    const { clock, due, timer } = timerOf(100);
    for (let id = 0; id < 101; id++) timer.set(`${id}`, 1_000 - id);
    expect(timer.size).toBe(90);
    expect(timer.takeForgotten()).toBe(false);
    clock.to(989);
    expect(due.length).toBe(90);
    expect(timer.takeForgotten()).toBe(false);
    clock.to(990);
    expect(timer.takeForgotten()).toBe(true);
    expect(timer.takeForgotten()).toBe(false);
  });

  it("that are given a new time again and again take no memory for the old ones", () => {
    const { clock, due, timer } = timerOf();
    for (let turn = 0; turn < 100_000; turn++) timer.set("a", 1_000 + turn);
    // The timer was armed for the earliest, and again only when that had been replaced.
    expect(clock.armed).toBeLessThan(100_001);
    clock.to(100_998);
    expect(due).toEqual([]);
    clock.to(100_999);
    expect(due).toEqual(["a"]);
  });
});
