import { Journal } from "./checks.ts";
import { Cluster } from "./cluster.ts";
import type { Combination, Health } from "./protocol.ts";
import type { Site } from "./site.ts";

export interface GrowthOptions {
  readonly site: Site;
  readonly combination: Combination;
  readonly seed: number;
  /** Distinct keys in all. */
  readonly keys: number;
  /** How many of them a local cache holds. Default 10 000. */
  readonly room?: number;
}

/**
 * One process writes half of so many distinct keys, asks for all of them, and drops some, while another hears of it.
 * @returns The heap in use after a tenth of them and after all, the greater of the two processes'.
 */
export const growth = async ({
  site,
  combination,
  seed,
  keys,
  room = 10_000,
}: GrowthOptions): Promise<{ readonly earlyBytes: number; readonly lateBytes: number }> => {
  const journal = new Journal();
  const cluster = await Cluster.start({
    ...{ site, combination, journal, seed, nodes: 2, maxEntries: room, exposeGc: true },
  });
  const [worker, listener] = [cluster.node(0), cluster.node(1)];
  const heapAfter = async (from: number, to: number): Promise<number> => {
    await worker.ask({ ask: "churn", from, count: to - from });
    const all = await Promise.all([worker, listener].map((node) => node.ask<Health>({ ask: "health" })));
    return Math.max(...all.map(({ heapBytes }) => heapBytes));
  };
  try {
    const earlyBytes = await heapAfter(0, keys / 10);
    const lateBytes = await heapAfter(keys / 10, keys);
    if (journal.problems.length > 0) throw new Error(journal.problems.join("\n"));
    return { earlyBytes, lateBytes };
  } finally {
    await cluster.stop();
  }
};
