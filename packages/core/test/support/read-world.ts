import {
  MemoryBus,
  MemoryNetwork,
  MemorySharedCache,
  MemorySharedCacheData,
  MemoryStore,
  MemoryStoreData,
  type MetricFamily,
  type Metrics,
  type Random,
  systemRandom,
  Warp,
  type WarpOptions,
} from "../../src/index.ts";
import { CountingSharedCache } from "./counting-shared-cache.ts";
import { CountingStore } from "./counting-store.ts";
import { Faults } from "./faults.ts";
import { settle, VirtualClock } from "./virtual-clock.ts";

export interface LogLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** Asked for at any time: the sum of some samples. */
export class CapturedMetrics implements Metrics {
  #collect: () => readonly MetricFamily[] = () => [];
  detached = false;

  attach(collect: () => readonly MetricFamily[]): () => void {
    this.#collect = collect;
    return () => {
      this.detached = true;
    };
  }

  families(): readonly MetricFamily[] {
    return this.#collect();
  }

  /** The sum of the samples whose labels include `labels`; of a histogram, its observations. */
  count(name: string, labels: Readonly<Record<string, string>> = {}): number {
    const family = this.#collect().find((one) => one.name === `warp_core_${name}`);
    if (family === undefined) throw new Error(`no metric warp_core_${name}`);
    let sum = 0;
    for (const sample of family.samples) {
      if (!Object.entries(labels).every(([label, value]) => sample.labels[label] === value)) continue;
      sum += typeof sample.value === "number" ? sample.value : sample.value.count;
    }
    return sum;
  }
}

/** Which of the world's collaborators a node has. */
export interface NodeParts {
  /** Default true. */
  readonly store?: boolean;
  /** Default false. */
  readonly shared?: boolean;
  /** Default false. */
  readonly bus?: boolean;
}

/** One store, one shared tier and one network, all in virtual time, and the nodes that use them. */
export class ReadWorld {
  readonly clock: VirtualClock = new VirtualClock();
  /** What `random.next()` gives. */
  chance = 0.5;
  readonly random: Random = { next: () => this.chance, id: () => systemRandom.id() };
  readonly storeFaults: Faults = new Faults(this.clock);
  readonly sharedFaults: Faults = new Faults(this.clock);
  readonly storeData: MemoryStoreData = new MemoryStoreData();
  readonly sharedData: MemorySharedCacheData = new MemorySharedCacheData();
  /** The store as somebody sees it who is not Warp: never faulty. */
  readonly outside: MemoryStore = new MemoryStore({ clock: this.clock, data: this.storeData });
  readonly network: MemoryNetwork = new MemoryNetwork({ clock: this.clock });
  readonly store: CountingStore = new CountingStore(
    new MemoryStore({ clock: this.clock, data: this.storeData, pause: this.storeFaults.pause }),
  );
  readonly sharedTier: MemorySharedCache = new MemorySharedCache({
    clock: this.clock,
    data: this.sharedData,
    pause: this.sharedFaults.pause,
  });
  readonly shared: CountingSharedCache = new CountingSharedCache(this.sharedTier);
  readonly log: LogLine[] = [];
  /** Of the node made last. */
  readonly metrics: CapturedMetrics = new CapturedMetrics();

  node(parts: NodeParts = {}, options: WarpOptions = {}): Warp {
    const { store = true, shared = false, bus = false } = parts;
    const line =
      (level: LogLine["level"]) =>
      (fields: Readonly<Record<string, unknown>>, message: string): void => {
        this.log.push({ level, fields, message });
      };
    return new Warp({
      clock: this.clock,
      random: this.random,
      logger: { debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") },
      metrics: this.metrics,
      ...(store ? { store: this.store } : {}),
      ...(shared ? { sharedCache: this.shared } : {}),
      ...(bus ? { bus: new MemoryBus(this.network) } : {}),
      ...options,
    });
  }

  /** A node whose bus is live and that trusts an epoch of the shared tier. */
  async readyNode(parts: NodeParts = {}, options: WarpOptions = {}): Promise<Warp> {
    const node = this.node(parts, options);
    await this.clock.advance(parts.bus === true ? 4_500 : 0);
    await settle();
    return node;
  }

  warnings(): readonly string[] {
    return this.log.filter(({ level }) => level === "warn").map(({ message }) => message);
  }
}
