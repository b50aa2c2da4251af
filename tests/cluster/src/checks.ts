import type { Calls } from "./calls.ts";
import type { Cluster, ClusterNode } from "./cluster.ts";
import { contextOf } from "./internals.ts";

export interface EndOptions {
  /** How long news may take to be noticed. Default 2 500 ms: two heartbeats and a bit. */
  readonly quietMs?: number;
  /** How a key is read then. Default: by `find`. */
  readonly read?: (node: ClusterNode, key: string) => Promise<unknown>;
  /** What else is wrong then. */
  readonly wrong?: () => readonly string[];
}

export const fail = (lines: readonly string[], calls: Calls): void => {
  if (lines.length > 0) throw new Error(`${lines.join("\n")}\nwhat happened:\n  ${calls.story}`);
};

/** What a node still holds that belongs to work under way: nothing, when there is none. */
const leftovers = ({ name, warp }: ClusterNode): string[] => {
  const { fills, flights, locks, background } = contextOf(warp);
  const { outbox, dirty } = warp.status();
  const counts = {
    fills: fills.size,
    flights: flights.size,
    locks: locks.size,
    background: background.size,
    outbox,
    dirty,
  };
  return Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([what, count]) => `${name} still holds ${count} ${what}`);
};

/** Every call has ended as it may, and every node has let go of what it held for them. */
const requireAllEnded = async (cluster: Cluster, calls: Calls): Promise<void> => {
  const isAtRest = (): boolean => cluster.live.every((node) => leftovers(node).length === 0);
  // What a node does of itself may just be under way, but not for ever.
  if (!isAtRest()) await cluster.scheduler.run({ until: isAtRest, maxVirtualMs: 10_000 }).catch(() => undefined);
  const open = calls.open.map((what) => `never ended: ${what}`);
  fail([...calls.failures, ...open, ...cluster.live.flatMap(leftovers)], calls);
};

/** Every node answers with what the store holds, those first that keep nothing themselves: they show the shared tier. */
const requireAgreement = async (
  cluster: Cluster,
  calls: Calls,
  keys: readonly string[],
  read: NonNullable<EndOptions["read"]>,
): Promise<void> => {
  const { truth, scheduler } = cluster;
  const nodes = [...cluster.live].sort(
    (a, b) => Number(contextOf(a.warp).local !== undefined) - Number(contextOf(b.warp).local !== undefined),
  );
  const wrong: string[] = [];
  for (const node of nodes) {
    for (const key of keys) {
      const expected = truth.valueNow(key);
      const value = await scheduler.complete(read(node, key));
      if (value !== expected)
        wrong.push(
          `${node.name} says ${String(value)} for ${key}, it is ${String(expected)}: ${JSON.stringify(truth.history(key))}`,
        );
    }
  }
  fail(wrong, calls);
};

/** Heals what is broken, waits until all is told, and until every call has ended. */
export const bringToRest = async (cluster: Cluster, calls: Calls, quietMs: number): Promise<void> => {
  cluster.heal();
  await cluster.scheduler.run({ until: () => calls.open.length === 0, maxVirtualMs: 120_000 });
  await cluster.scheduler.advance(quietMs);
  await requireAllEnded(cluster, calls);
};

/** Brings a cluster to rest, and checks what must hold then. */
export const requireConsistentEnd = async (
  cluster: Cluster,
  calls: Calls,
  keys: readonly string[],
  { quietMs = 2_500, wrong = () => [], read = ({ warp }, key) => warp.find(key) }: EndOptions = {},
): Promise<void> => {
  await bringToRest(cluster, calls, quietMs);
  fail(wrong(), calls);
  await requireAgreement(cluster, calls, keys, read);
};
