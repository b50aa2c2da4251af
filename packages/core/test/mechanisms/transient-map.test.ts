import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "@jest/globals";
import { TransientMap } from "../../src/mechanisms/transient-map.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

const heapBytes = (): number => {
  collect();
  return process.memoryUsage().heapUsed;
};

describe("TransientMap", () => {
  it("holds what a Map holds, whatever comes and goes", () => {
    const map = new TransientMap<{ readonly n: number }>();
    const expected = new Map<string, { readonly n: number }>();
    for (let n = 0; n < 20_000; n++) {
      // Primes: keys are set twice in a row, come again soon after they went, or much later.
      const key = `k${(n * 7_919) % 1_009}`;
      const isRemoved = n % 5 === 0 || (n * 104_729) % 11 < 5;
      if (isRemoved) {
        map.delete(key);
        expected.delete(key);
      } else {
        map.set(key, { n });
        expected.set(key, { n });
      }
      expect(map.size).toBe(expected.size);
      expect(map.get(key)).toEqual(expected.get(key));
    }
    expect(expected.size).toBeGreaterThan(100);
    const byNumber = (a: { readonly n: number }, b: { readonly n: number }): number => a.n - b.n;
    expect([...map.values()].sort(byNumber)).toEqual([...expected.values()].sort(byNumber));
    for (let n = 0; n < 1_009; n++) expect(map.get(`k${n}`)).toEqual(expected.get(`k${n}`));
    for (const key of expected.keys()) map.delete(key);
    expect(map.size).toBe(0);
    expect(map.values()).toEqual([]);
    map.delete("k1");
    expect(map.size).toBe(0);
  });

  it("does not grow with keys that have gone", () => {
    const map = new TransientMap<object>();
    const before = heapBytes();
    for (let n = 0; n < 200_000; n++) {
      const key = `${n}`.padStart(200, "k");
      map.set(key, {});
      map.delete(key);
    }
    // The keys alone are 40 MB.
    expect(heapBytes() - before).toBeLessThan(2e6);
    expect(map.size).toBe(0);
  });

  it("keeps nothing of a removed key's value, though the key be remembered", () => {
    const map = new TransientMap<object>();
    const before = heapBytes();
    for (let n = 0; n < 100; n++) map.set(`k${n}`, new Array(50_000).fill(n));
    expect(heapBytes() - before).toBeGreaterThan(2e7);
    for (let n = 0; n < 100; n++) map.delete(`k${n}`);
    expect(heapBytes() - before).toBeLessThan(2e6);
  });
});
