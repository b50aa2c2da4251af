/** The middle of `values`; the mean of the middle two where their number is even. */
export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle] as number;
  return ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
};

/** Something whose cost is measured in rounds. */
export interface Contestant {
  readonly name: string;
  /** One round; resolves to its cost, in any unit that all contestants share. */
  round(): Promise<number>;
}

/** The medians of the contestants' costs and of their ratios to the floor's cost in the same round. */
export interface Standing {
  readonly name: string;
  readonly cost: number;
  readonly ratio: number;
}

/**
 * Runs all contestants in turn, `rounds` times after `warmUp` whose costs do not count, each round beginning with another
 * one: what disturbs the machine for a while disturbs all of them alike.
 * @param floor The name of the contestant that the others are divided by.
 */
export const interleave = async (
  contestants: readonly Contestant[],
  floor: string,
  rounds: number,
  warmUp = 2,
): Promise<Map<string, Standing>> => {
  const costs = new Map(contestants.map(({ name }) => [name, [] as number[]]));
  for (let round = -warmUp; round < rounds; round++) {
    for (let turn = 0; turn < contestants.length; turn++) {
      const contestant = contestants[(turn + round + warmUp) % contestants.length] as Contestant;
      const cost = await contestant.round();
      if (round >= 0) costs.get(contestant.name)?.push(cost);
    }
  }
  const floors = costs.get(floor) ?? [];
  return new Map(
    [...costs].map(([name, list]) => [
      name,
      { name, cost: median(list), ratio: median(list.map((cost, round) => cost / (floors[round] as number))) },
    ]),
  );
};

/**
 * Processor time of `run` in this process, in nanoseconds: the collector's and the compiler's threads count, other
 * processes of a busy machine do not.
 */
export const processorTime = async (run: () => Promise<void>): Promise<number> => {
  const began = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(began);
  return (user + system) * 1_000;
};

/** Bytes on the heap that are in use, after a collection. */
export const heapAfterCollection = (): number => {
  const { gc } = globalThis;
  if (gc === undefined) throw new Error("run with --expose-gc");
  gc();
  gc();
  return process.memoryUsage().heapUsed;
};
