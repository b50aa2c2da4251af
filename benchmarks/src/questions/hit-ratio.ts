import { optimalHitRatio } from "../policies/belady.ts";
import { Lru, WarpMemory } from "../policies/caches.ts";
import { hitRatio, type Policy } from "../policies/policy.ts";
import { S3Fifo } from "../policies/s3-fifo.ts";
import type { Answer, Question, Target } from "../question.ts";
import { mobyDickTrace, type Trace, zipfAndLoopTrace, zipfAndScanTrace, zipfSkew, zipfTrace } from "../traces.ts";

const requests = 500_000;
const keys = 50_000;

interface Scene {
  readonly name: string;
  readonly trace: () => Trace;
  /** Room, as a share of the distinct keys. */
  readonly shares: readonly number[];
  /** The least share of the optimum that `MemoryCache` is to reach, one for each room; `undefined` where nothing was promised. */
  readonly limits: readonly (number | undefined)[];
}

const scenes: readonly Scene[] = [
  { name: `zipf ${zipfSkew}`, trace: () => zipfTrace(requests, keys), shares: [0.01, 0.1], limits: [0.85, 0.85] },
  {
    name: "zipf 0.9",
    trace: () => zipfTrace(requests, keys, 0.9),
    shares: [0.01, 0.1],
    limits: [undefined, undefined],
  },
  {
    name: "zipf + loop of 10 %, 3 in 10 requests",
    trace: () => zipfAndLoopTrace(requests, keys, keys / 10, 0.3),
    shares: [0.01, 0.1],
    limits: [0.85, 0.83],
  },
  {
    name: "zipf + scans, 1 in 4 requests",
    trace: () => zipfAndScanTrace(requests, keys, 2_500, 10_000),
    shares: [0.01, 0.1],
    limits: [undefined, undefined],
  },
  { name: "words of Moby Dick", trace: mobyDickTrace, shares: [0.01, 0.1], limits: [undefined, undefined] },
];

const policies: readonly ((room: number) => Policy)[] = [
  (room) => new Lru(room),
  (room) => new WarpMemory(room),
  (room) => new S3Fifo(room),
];

const ask = async (): Promise<Answer> => {
  const rows: (string | number)[][] = [];
  const targets: Target[] = [];
  const costs = policies.map(() => 0);
  for (const { name, trace: make, shares, limits } of scenes) {
    const trace = make();
    const distinct = new Set(trace).size;
    shares.forEach((share, at) => {
      const room = Math.round(distinct * share);
      const optimum = optimalHitRatio(trace, room);
      const ratios = policies.map((open, policy) => {
        const began = performance.now();
        const ratio = hitRatio(trace, open(room)) / optimum;
        costs[policy] =
          (costs[policy] as number) + ((performance.now() - began) * 1e6) / trace.length / scenes.length / 2;
        return ratio;
      });
      rows.push([`${name}, room for ${share * 100} %`, optimum, ...ratios]);
      const limit = limits[at];
      const value = ratios[1] as number;
      if (limit !== undefined)
        targets.push({
          what: `hit ratio, ${name}, room for ${share * 100} %, ÷ optimum`,
          value,
          bound: "at least",
          limit,
        });
    });
  }
  rows.push(["ns per request, mean", "–", ...costs]);
  const [lruCost = Number.NaN, warpCost = Number.NaN] = costs;
  targets.push({ what: "cost of a request, × LRU", value: warpCost / lruCost, bound: "at most", limit: 1.5 });
  return {
    columns: ["", "optimum", "LRU ÷ optimum", "`MemoryCache` ÷ optimum", "S3-FIFO ÷ optimum"],
    rows,
    targets,
  };
};

export const hitRatioQuestion: Question = {
  name: "hit-ratio",
  title: "How many requests hit?",
  method: `Share of requests that hit, divided by what the best possible eviction would reach (Belady); ${requests} requests over ${keys} keys where the trace is drawn. Room is a share of the distinct keys. LRU is lru-cache, with keys that are text as those of \`MemoryCache\`; S3-FIFO, with numbers, is the candidate that was not chosen.`,
  ask,
};
