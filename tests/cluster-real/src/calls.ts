import type { Cluster } from "./cluster.ts";
import { FaultRunner, type PlannedFault } from "./faults.ts";
import type { Operation } from "./protocol.ts";
import { until } from "./until.ts";

export interface CallsOptions {
  /** How many in all. */
  readonly calls: number;
  /** How many a node has at once. */
  readonly atOnce: number;
  readonly plan: readonly PlannedFault[];
  /** Draws a call for the node in a place. */
  readonly next: (place: number) => Operation;
}

/** After every fault is over, every call ends within this: the longest loader and a write, and a busy machine. */
const endsWithinMs = 60_000;

/** Has every node make calls while things go wrong. Resolves when all calls have ended, and all faults are over. */
export const makeCalls = async (
  cluster: Cluster,
  { calls, atOnce, plan, next }: CallsOptions,
): Promise<FaultRunner> => {
  const faults = new FaultRunner(cluster, plan);
  let left = calls;
  const fill = (): void => {
    for (let place = 0; place < cluster.options.nodes; place += 1) {
      if (!cluster.takes(place)) continue;
      const room = Math.min(left, atOnce - cluster.openOn(place));
      if (room <= 0) continue;
      left -= room;
      cluster.send(
        place,
        Array.from({ length: room }, () => next(place)),
      );
    }
  };
  cluster.onEnded = (ended) => {
    faults.reached(ended);
    fill();
  };
  fill();
  // A node that came back, or took a dead one's place, has nothing that ends and would call for more.
  const refill = setInterval(fill, 100);
  try {
    await until(() => left === 0, 600_000);
    await faults.finish();
  } finally {
    clearInterval(refill);
  }
  if ((await until(() => cluster.openCalls.length === 0, endsWithinMs)) === undefined)
    cluster.options.journal.problem(`never ended: ${cluster.openCalls.slice(0, 5).join("; ")}`);
  return faults;
};
