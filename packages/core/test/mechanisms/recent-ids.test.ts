import { describe, expect, it } from "@jest/globals";
import { RecentIds } from "../../src/mechanisms/recent-ids.ts";

describe("RecentIds", () => {
  it("remembers an id for once to twice as long as was said, then lets go of it", () => {
    let now = 0;
    const ids = new RecentIds({ monotonic: () => now }, 100);
    ids.add("early", 1_000);
    now = 900;
    ids.add("late", 1_000);
    now = 1_899;
    ids.sweep();
    expect([ids.has("early"), ids.has("late")]).toEqual([true, true]);
    now = 2_899;
    ids.sweep();
    expect(ids.size).toBe(0);
  });

  it("remembers an id for as long as was said, whenever it came and whoever sweeps", () => {
    let now = 0;
    const ids = new RecentIds({ monotonic: () => now }, 100_000);
    const added = new Map<string, number>();
    const wrong: string[] = [];
    for (; now < 10_000; now += 7) {
      ids.add(`id ${now}`, 1_000);
      added.set(`id ${now}`, now);
      if (now % 5 === 0) ids.sweep();
      for (const [id, at] of added) {
        const isKnown = ids.has(id);
        if (now - at < 1_000 ? !isKnown : isKnown && now - at > 2_100) wrong.push(`${id} at ${now}: ${isKnown}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it("keeps the last of many, and at most twice as many as it may", () => {
    const ids = new RecentIds({ monotonic: () => 0 }, 100);
    for (let n = 0; n < 10_000; n++) {
      ids.add(`id ${n}`, 1_000);
      expect(ids.size).toBeLessThanOrEqual(200);
      for (let back = Math.max(0, n - 99); back <= n; back += 33) expect(ids.has(`id ${back}`)).toBe(true);
    }
    expect(ids.has("id 0")).toBe(false);
  });
});
