import { describe, expect, it } from "@jest/globals";
import { BackgroundWork } from "../../src/mechanisms/background-work.ts";

describe("BackgroundWork", () => {
  it("waits for what is under way, and uses places again", async () => {
    const work = new BackgroundWork();
    const ends: (() => void)[] = [];
    const begin = (): (() => void) => work.add(new Promise<void>((resolve) => ends.push(resolve)));
    const [first, second, third] = [begin(), begin(), begin()];
    expect(work.size).toBe(3);
    second();
    first();
    second();
    expect(work.size).toBe(1);
    const [fourth, fifth] = [begin(), begin()];
    expect(work.size).toBe(3);
    let settled = false;
    const all = work.settled().then(() => {
      settled = true;
    });
    ends[2]?.();
    ends[3]?.();
    await new Promise((resolve) => setImmediate(resolve));
    expect(settled).toBe(false);
    ends[4]?.();
    await all;
    for (const leave of [third, fourth, fifth]) leave();
    expect(work.size).toBe(0);
  });
});
