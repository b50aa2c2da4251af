import { describe, expect, it } from "@jest/globals";
import { traffic } from "../src/traffic.ts";

const items = Array.from({ length: 100 }, (_, index) => index);

describe("traffic", () => {
  it("does everything once, begun in order, so much at once and no more", async () => {
    const begun: number[] = [];
    let current = 0;
    let most = 0;
    await traffic(items, { concurrency: 5 }, async (item) => {
      begun.push(item);
      most = Math.max(most, ++current);
      await new Promise(setImmediate);
      current--;
    });
    expect(begun).toEqual(items);
    expect(most).toBe(5);
  });

  it("spreads the work: nothing begins before its turn", async () => {
    const startedAt = performance.now();
    const early: number[] = [];
    await traffic(items, { concurrency: 10, spreadMs: 200 }, async (item) => {
      // Timers may fire a millisecond early.
      if (performance.now() - startedAt < item * 2 - 2) early.push(item);
    });
    expect(early).toEqual([]);
  });

  it("stops at the first failure, waits for what is under way, and rejects with it", async () => {
    const failure = new Error("no");
    const ended: number[] = [];
    const work = traffic(items, { concurrency: 2 }, async (item) => {
      if (item === 1) throw failure;
      await new Promise(setImmediate);
      ended.push(item);
    });
    await expect(work).rejects.toBe(failure);
    expect(ended).toEqual([0]);
  });
});
