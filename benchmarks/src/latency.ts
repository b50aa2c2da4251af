import { type Contestant, median } from "./statistics.ts";

/** A contestant that makes calls one after another; its cost is the median of a round, in microseconds. */
export interface Timed extends Contestant {
  /** Of all calls of all rounds but those that warm up. */
  percentile(share: number): number;
}

/** @param warmUp Rounds whose calls count in no percentile. @param call Gets how many calls were made before it. */
export const timed = (name: string, calls: number, warmUp: number, call: (n: number) => Promise<unknown>): Timed => {
  const all: number[] = [];
  let made = 0;
  return {
    name,
    round: async () => {
      const times: number[] = [];
      for (let n = 0; n < calls; n++) {
        const began = performance.now();
        await call(made++);
        times.push((performance.now() - began) * 1e3);
      }
      if (made > warmUp * calls) all.push(...times);
      return median(times);
    },
    percentile: (share) => all.sort((a, b) => a - b)[Math.floor(all.length * share)] ?? Number.NaN,
  };
};
