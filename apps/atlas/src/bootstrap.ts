import { PGlite } from "@electric-sql/pglite";
import {
  jsonLogger,
  MemoryBus,
  MemoryCache,
  MemoryNetwork,
  systemClock,
  Warp,
  WarpError,
  type WarpOptions,
} from "@warp/core";
import { lastWriteWins, mergeFields, sum } from "@warp/merge";
import { PromMetrics } from "@warp/metrics-prom";
import { fromPglite, PgStore, type PgStoreOptions } from "@warp/store-pg";
import { Registry } from "prom-client";
import type { CityKey, Keys, ViewsKey } from "./data.ts";

// The composition root: the only file that knows Warp, its adapters and their clients.

export type Node = Warp<Keys>;

/** One number of one metric of one node. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string | number | undefined>>;
  readonly value: number;
}

export interface Atlas {
  readonly nodes: readonly Node[];
  /** Its clock is one day late: what it writes was written yesterday. It has neither cache nor bus. */
  readonly loader: Node;
  /** Reads what the store holds: it has neither cache nor bus. */
  readonly auditor: Node;
  /** What all nodes have counted so far. */
  samples(): Promise<readonly Sample[]>;
  /** Until `reconnect`, this node neither hears the others nor is heard. */
  disconnect(node: Node): void;
  reconnect(node: Node): void;
  close(): Promise<void>;
}

export const nodeNames: readonly string[] = ["amsterdam", "bogota", "cairo"];

const entriesPerNode = 10_000;
const dayMs = 86_400_000;
const yesterday = (): number => Date.now() - dayMs;

// That a node cannot reach the bus is a warning, and here it is on purpose.
const logger = jsonLogger({ level: "error" });

const register = (warp: Node): Node => {
  warp.register<CityKey>("city:*", {
    ttl: "10m",
    failSafe: "1h",
    history: { maxAge: "7d" },
    // A write names the fields that it changes: two that name different ones both count.
    merge: mergeFields<object>({}, { otherFields: lastWriteWins() }),
  });
  warp.register<ViewsKey>("views:*", { ttl: "10m", merge: sum() });
  return warp;
};

/** Everything that runs, on a database in `folder`. Close it to close what was opened here, in the reverse order. */
export const openAtlas = async (folder: string): Promise<Atlas> => {
  const database = await PGlite.create(folder);
  const network = new MemoryNetwork();
  const registry = new Registry();
  const stores: PgStore[] = [];
  const open = (options: WarpOptions, storeOptions: PgStoreOptions = {}): Node => {
    const store = new PgStore(fromPglite(database), storeOptions);
    stores.push(store);
    return register(new Warp<Keys>({ ...options, store, logger }));
  };
  const loader = open({ localCache: false, clock: { ...systemClock, now: yesterday } }, { clock: yesterday });
  const auditor = open({ localCache: false });
  const named = new Map(
    nodeNames.map((node) => [
      node,
      open({
        node,
        localCache: new MemoryCache({ maxEntries: entriesPerNode }),
        bus: new MemoryBus(network),
        metrics: new PromMetrics(registry, { labels: { node } }),
      }),
    ]),
  );
  await stores[0]?.migrate();
  const nodes = [...named.values()];
  await Promise.all(nodes.map((node) => node.ready()));
  return {
    nodes,
    loader,
    auditor,
    samples: () => samplesOf(registry),
    disconnect: (node) => network.disconnect(node.status().node),
    reconnect: (node) => network.reconnect(node.status().node),
    close: async () => {
      for (const warp of [...nodes, loader, auditor]) await warp.close();
      for (const store of stores) await store.close();
      await database.close();
    },
  };
};

const samplesOf = async (registry: Registry): Promise<readonly Sample[]> => {
  const families = await registry.getMetricsAsJSON();
  return families.flatMap(({ name, values }) => values.map(({ labels, value }) => ({ name, labels, value })));
};

/** What a failed call tells: the error's code. `"OUTCOME_UNKNOWN"` alone leaves open whether anything has changed. */
export const codeOf = (error: unknown): string => {
  if (WarpError.is(error)) return error.code;
  throw error;
};
