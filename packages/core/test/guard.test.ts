import { expect, it } from "@jest/globals";
import { Guard } from "../src/mechanisms/guard.ts";
import { Histogram } from "../src/mechanisms/histogram.ts";
import type { Tracer } from "../src/ports/tracer.ts";
import type { Clock } from "../src/values/clock.ts";

/** Its timers go off when `ring` is called. */
const alarm = (): { clock: Clock; ring: () => void } => {
  let now = 0;
  const due = new Set<() => void>();
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    schedule: (_, run) => {
      due.add(run);
      return () => void due.delete(run);
    },
  };
  const ring = (): void => {
    now += 100;
    for (const run of due) run();
  };
  return { clock, ring };
};

const guardWith = (clock: Clock, tracer: Tracer): Guard => {
  const latency = new Histogram();
  return new Guard({ port: "store", clock, deadlineMs: 100, breaker: undefined, latency: () => latency, tracer });
};

const call = { operation: "get", key: "k" };
const failing = (where: "start" | "end"): Tracer => ({
  startSpan: () => {
    if (where === "start") throw new Error("the tracer broke");
    return {
      end: () => {
        throw new Error("the tracer broke");
      },
    };
  },
});

it("a call whose tracer throws rejects, however the port answered, and nothing else happens", async () => {
  const { clock, ring } = alarm();
  const guard = guardWith(clock, failing("end"));
  await expect(guard.call(call, async () => 1)).rejects.toThrow("the tracer broke");
  await expect(guard.call(call, () => Promise.reject(new Error("down")))).rejects.toThrow("the tracer broke");
  const late = guard.call(call, () => new Promise(() => {}));
  ring();
  await expect(late).rejects.toThrow("the tracer broke");
  await expect(guardWith(clock, failing("start")).call(call, async () => 1)).rejects.toThrow("the tracer broke");
});

it("a call whose port rejects with what cannot even be told rejects", async () => {
  const { clock } = alarm();
  const guard = guardWith(clock, { startSpan: () => ({ end: () => {} }) });
  await expect(guard.call(call, () => Promise.reject(Object.create(null)))).rejects.toThrow(TypeError);
});

it("a signal that is asked for after a call was given up is aborted", async () => {
  const { clock, ring } = alarm();
  const guard = guardWith(clock, { startSpan: () => ({ end: () => {} }) });
  let given: { readonly aborted?: boolean | undefined; readonly signal?: AbortSignal | undefined } = {};
  const late = guard.call(call, (options) => {
    given = options;
    return new Promise(() => {});
  });
  expect(given.aborted).toBe(false);
  ring();
  await expect(late).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED", port: "store", key: "k" });
  expect([given.aborted, given.signal?.aborted]).toEqual([true, true]);
});
