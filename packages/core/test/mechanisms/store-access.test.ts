import { expect, it } from "@jest/globals";
import { MemoryStore, systemClock } from "../../src/index.ts";
import { Guard } from "../../src/mechanisms/guard.ts";
import { Histogram } from "../../src/mechanisms/histogram.ts";
import { StoreAccess } from "../../src/mechanisms/store-access.ts";

/** A store whose clock says what it is told to. */
class SayingStore extends MemoryStore {
  says = 0;

  override async now(): Promise<number> {
    return this.says;
  }
}

it("the store's time goes by the quickest answer of a second: a slow one tells what was long ago", async () => {
  let monotonic = 0;
  const clock = { ...systemClock, monotonic: () => monotonic };
  const histogram = new Histogram();
  const options = { port: "store", clock, deadlineMs: 1_000, breaker: undefined, tracer: undefined } as const;
  const store = new SayingStore();
  const access = new StoreAccess(store, new Guard({ ...options, latency: () => histogram }), clock, () => "operation");
  const hear = async (says: number): Promise<number> => {
    store.says = says;
    await access.now({ operation: "get" });
    return access.estimatedNow();
  };
  await expect(hear(5_000)).resolves.toBe(5_000);
  monotonic = 400;
  await expect(hear(5_100)).resolves.toBe(5_400);
  await expect(hear(5_500)).resolves.toBe(5_500);
  // Whatever was heard before: clocks are set, and drift.
  monotonic = 1_000;
  await expect(hear(4_000)).resolves.toBe(4_000);
});
