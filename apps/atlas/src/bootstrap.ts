import {
  jsonLogger,
  type Logger,
  systemClock,
  Warp,
  WarpError,
  type WarpErrorCode,
  type WarpOptions,
} from "@warp/core";
import { lastWriteWins, mergeFields, sum } from "@warp/merge";
import { PromMetrics } from "@warp/metrics-prom";
import { Registry } from "prom-client";
import { CuttableBus } from "./bootstrap/cuttable-bus.ts";
import { openBuses, openCaches, openStores } from "./bootstrap/open.ts";
import { Opened } from "./bootstrap/ports.ts";
import type { Config, Platform } from "./config.ts";
import type { CityKey, FlagKey, Keys, ViewsKey } from "./data.ts";

// The composition root: with what is in bootstrap/, the only code that knows Warp, its adapters and their clients.

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
  /** How many keys one call may carry and be answered in time. */
  readonly keysPerCall: number;
  /** How many calls on strong keys take some seconds. */
  readonly strongCalls: number;
  /** What the bus may take to deliver what it was handed. */
  readonly propagationMs: number;
  /** What all nodes have counted so far. */
  samples(): Promise<readonly Sample[]>;
  /** Until `reconnect`, this node neither hears the others nor is heard. */
  disconnect(node: Node): void;
  reconnect(node: Node): void;
  close(): Promise<void>;
}

/** One node that serves users. */
export interface Service {
  readonly node: Node;
  /** What it has counted, as Prometheus reads it. */
  metrics(): Promise<{ readonly contentType: string; readonly text: string }>;
  /** Finishes what is under way, tells the others, and closes everything that was opened. */
  close(): Promise<void>;
}

export const nodeNames: readonly string[] = ["amsterdam", "bogota", "cairo"];

const entriesPerNode = 10_000;
/** Generous: what is late on a busy machine must not pass for lost. */
const propagationMs = { memory: 100, nats: 1_000, kafka: 3_000 } as const;
/** S3 takes a request for each key. */
const keysPerCall = { pglite: 2_000, pg: 2_000, s3: 100 } as const;
/** Each conflict of a transaction on S3 costs a dozen requests. */
const strongCalls = { pglite: 300, pg: 300, s3: 60 } as const;
/** PGlite has one session, in this process: on a busy machine many wait in line for it. */
const deadlines = { store: "10s" } as const;
const closeMs = 10_000;
const dayMs = 86_400_000;
const yesterday = (): number => Date.now() - dayMs;

/** A majority of the three nodes of the demo. */
const quorum = 2;

const register = (warp: Node, hasBus: boolean): Node => {
  warp.register<CityKey>("city:*", {
    ttl: "10m",
    failSafe: "1h",
    history: { maxAge: "7d" },
    // A write names the fields that it changes: two that name different ones both count.
    merge: mergeFields<object>({}, { otherFields: lastWriteWins() }),
  });
  warp.register<ViewsKey>("views:*", { ttl: "10m", merge: sum() });
  // Who has no bus asks the store alone.
  if (!hasBus) warp.register<FlagKey>("flag:*", { ttl: "10m" });
  else
    for (const pattern of ["flag:*", "lock:*"] as const) {
      warp.register<FlagKey>(pattern, { mode: "strong-distributed", ttl: "10m" });
      warp.setQuorum(pattern, quorum);
    }
  return warp;
};

/** The parts that a platform has, and a node of any of them. Close it to close them all, in the reverse order. */
const openPlatform = async (platform: Platform, entries: number, logger: Logger, closeMs: number) => {
  const opened = new Opened();
  const surroundings = { cluster: platform.cluster, logger };
  const kept = <T extends { close(): Promise<void> }>(part: T): T => {
    opened.add(() => part.close());
    return part;
  };
  const node = (options: WarpOptions): Node => {
    const warp = register(new Warp<Keys>({ cluster: platform.cluster, logger, ...options }), options.bus !== undefined);
    opened.add(() => warp.close({ timeout: closeMs }));
    return warp;
  };
  try {
    const stores = kept(await openStores(platform, surroundings));
    const caches = kept(await openCaches(platform, entries, surroundings));
    const buses = kept(await openBuses(platform, surroundings));
    const feed = () => ({ ...(stores.feed && { changeFeed: stores.feed() }) });
    return { stores, caches, buses, feed, node, close: () => opened.close() };
  } catch (error) {
    await opened.close();
    throw error;
  }
};

/** Everything that the demo runs on. Close it to close what was opened here. */
export const openAtlas = async (platform: Platform): Promise<Atlas> => {
  // That a node cannot reach the bus is a warning, and here it is on purpose.
  const parts = await openPlatform(platform, entriesPerNode, jsonLogger({ level: "error" }), closeMs);
  const { stores, caches, buses, feed, node, close } = parts;
  try {
    const registry = new Registry();
    const cables = new Map<Node, CuttableBus>();
    const loader = node({
      localCache: false,
      clock: { ...systemClock, now: yesterday },
      store: stores.make(yesterday),
      // Nobody waits for an import: on a busy machine it may take its time.
      deadlines: { store: "30s" },
    });
    const store = stores.make();
    const auditor = node({ localCache: false, store, deadlines });
    for (const name of nodeNames) {
      const bus = new CuttableBus(await buses.make());
      const metrics = new PromMetrics(registry, { labels: { node: name } });
      cables.set(node({ node: name, ...caches.make(), ...feed(), store: stores.make(), bus, metrics, deadlines }), bus);
    }
    const nodes = [...cables.keys()];
    await Promise.all(nodes.map((each) => each.ready()));
    return {
      ...{ nodes, loader, auditor, close },
      propagationMs: propagationMs[platform.bus.kind],
      keysPerCall: keysPerCall[platform.store.kind],
      strongCalls: strongCalls[platform.store.kind],
      samples: () => samplesOf(registry),
      disconnect: (each) => cables.get(each)?.cut(),
      reconnect: (each) => cables.get(each)?.join(),
    };
  } catch (error) {
    await close();
    throw error;
  }
};

/** The node of one process. Close it to close what was opened here. */
export const openService = async (config: Config, logger: Logger): Promise<Service> => {
  const { platform, cacheEntries, shutdownMs } = config;
  // What is left then is for the clients.
  const nodeClosesMs = Math.ceil(shutdownMs * 0.8);
  const parts = await openPlatform(platform, cacheEntries, logger, nodeClosesMs);
  const { stores, caches, buses, feed, node, close } = parts;
  try {
    const registry = new Registry();
    const store = stores.make();
    const warp = node({
      ...(config.node !== undefined && { node: config.node }),
      ...(config.secret !== undefined && { secret: config.secret }),
      ...caches.make(),
      ...feed(),
      ...{ store, bus: await buses.make(), metrics: new PromMetrics(registry) },
    });
    await warp.ready();
    return {
      node: warp,
      metrics: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
};

const samplesOf = async (registry: Registry): Promise<readonly Sample[]> => {
  const families = await registry.getMetricsAsJSON();
  return families.flatMap(({ name, values }) => values.map(({ labels, value }) => ({ name, labels, value })));
};

/** Says what kind of failure an error of Warp tells of. */
export type FailureCode = WarpErrorCode;

/** What an error of Warp tells. */
export interface Failure {
  readonly code: FailureCode;
  readonly message: string;
  readonly key: string | undefined;
  readonly port: string | undefined;
}

/** `undefined` for an error that is none of Warp's. */
export const failureOf = (error: unknown): Failure | undefined => (WarpError.is(error) ? error : undefined);

/** What a failed call tells: the error's code. `"OUTCOME_UNKNOWN"` alone leaves open whether anything has changed. */
export const codeOf = (error: unknown): string => {
  if (WarpError.is(error)) return error.code;
  throw error;
};
