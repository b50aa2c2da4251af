import {
  type Delivery,
  MemoryBus,
  MemoryCache,
  MemoryNetwork,
  MemorySharedCache,
  MemorySharedCacheData,
  MemoryStore,
  silentLogger,
  Warp,
  type WarpOptions,
} from "@warp/core";
import type { PauseOptions, Scheduler } from "./scheduler.ts";
import type { ClockOptions, SimulatedClock } from "./simulated-clock.ts";
import { type Origin, StoreLog, type Truth } from "./store-log.ts";

export type Faults = { -readonly [Field in keyof PauseOptions]: PauseOptions[Field] };

export interface ClusterOptions {
  /** Where there is no store, values come from here. Default: the store. */
  readonly origin?: Origin;
  /** Whether there is a store. Default true. */
  readonly stored?: boolean;
  /** Says how keys are kept; on every node alike, unless it looks at which one it is. */
  readonly register: (warp: Warp, node: string) => void;
  /** Whether there is a shared tier. Default false. */
  readonly shared?: boolean;
  /** Whether every node hears what others than Warp write, over a connection that shares its store's faults. Default false. */
  readonly fed?: boolean;
  /** Slots of the shared tier. Default 1 000. */
  readonly sharedSlots?: number;
  /** What the store declares; requests can be made late by so much. Default 0. */
  readonly landsWithinMs?: number;
  /** Longest half of a call to any port, in milliseconds. Default 5. */
  readonly latencyMs?: number;
}

export interface NodeOptions extends ClockOptions {
  /** Entries of the local tier; 0 for none. Default 1 000. */
  readonly localEntries?: number;
  /** Further options of the node. */
  readonly warp?: WarpOptions;
}

/** One process with one Warp, and what can go wrong between it and the servers: change the fields at any time. */
export interface ClusterNode {
  readonly name: string;
  readonly clock: SimulatedClock;
  readonly warp: Warp;
  readonly store: Faults;
  readonly shared: Faults;
  readonly bus: Faults;
  readonly sharedCache: MemorySharedCache | undefined;
}

/** Nodes on one store, one shared tier and one network, all in the scheduler's time. */
export class Cluster {
  readonly scheduler: Scheduler;
  readonly log: StoreLog = new StoreLog();
  /** What answers are judged by. */
  readonly truth: Truth;
  readonly sharedData: MemorySharedCacheData = new MemorySharedCacheData();
  readonly network: MemoryNetwork;
  readonly server: SimulatedClock;
  readonly nodes: ClusterNode[] = [];
  /** Whose frames are lost, and on the way to whom. */
  lost: ((delivery: Delivery) => boolean) | undefined;
  readonly #options: ClusterOptions;
  readonly #foreign: MemoryStore;
  #starts = 0;

  constructor(scheduler: Scheduler, options: ClusterOptions) {
    this.scheduler = scheduler;
    this.#options = options;
    this.truth = options.origin ?? this.log;
    this.server = scheduler.clock({ label: "server" });
    const chance = scheduler.random("network latency");
    const { latencyMs = 5 } = options;
    this.network = new MemoryNetwork({
      clock: this.server,
      random: scheduler.random("network"),
      latencyMs: () => chance.next() * latencyMs,
    });
    this.network.faults.drop = (delivery) => this.lost?.(delivery) === true;
    this.#foreign = new MemoryStore({ clock: this.server, data: this.log, random: scheduler.random("foreign") });
  }

  /** Begins a node. A name may come back after its process has ended. */
  start(name: string, { localEntries = 1_000, warp: further = {}, ...clockOptions }: NodeOptions = {}): ClusterNode {
    const { scheduler, server, network, log } = this;
    const {
      stored = true,
      shared: isShared = false,
      sharedSlots = 1_000,
      landsWithinMs = 0,
      latencyMs = 5,
      fed = false,
      register,
    } = this.#options;
    const label = `${name}${this.#starts++ === 0 ? "" : `#${this.#starts}`}`;
    const clock = scheduler.clock({ ...clockOptions, label });
    const faults = {
      store: { maxMs: latencyMs, clock },
      shared: { maxMs: latencyMs, clock },
      bus: { maxMs: latencyMs, clock },
    };
    const sharedCache = isShared
      ? new MemorySharedCache({
          clock: server,
          random: scheduler.random(`${label}/slots`),
          maxEntries: sharedSlots,
          data: this.sharedData,
          pause: scheduler.pause(`${label}/shared`, faults.shared),
        })
      : undefined;
    const warp = new Warp({
      node: name,
      clock,
      random: scheduler.random(label),
      logger: silentLogger,
      localCache: localEntries === 0 ? false : new MemoryCache({ clock, maxEntries: localEntries }),
      ...(stored
        ? {
            store: new MemoryStore({
              clock: server,
              data: log,
              landsWithinMs,
              pause: scheduler.pause(`${label}/store`, faults.store),
            }),
          }
        : {}),
      bus: new MemoryBus(network, { clock, pause: scheduler.pause(`${label}/bus`, faults.bus) }),
      ...(sharedCache === undefined ? {} : { sharedCache }),
      ...(fed
        ? { changeFeed: new MemoryStore({ data: log, pause: scheduler.pause(`${label}/feed`, faults.store) }) }
        : {}),
      ...further,
    });
    register(warp, name);
    const node: ClusterNode = { name, clock, warp, ...faults, sharedCache };
    this.nodes.push(node);
    return node;
  }

  /** Begins several nodes and waits until they hear each other and trust an epoch. */
  async startAll(...names: readonly string[]): Promise<ClusterNode[]> {
    const nodes = names.map((name) => this.start(name));
    await this.ready();
    return nodes;
  }

  /** Waits until every node is up, and what they tell each other at first has been told. */
  async ready(): Promise<void> {
    await this.scheduler.complete(Promise.all(this.live.map(({ warp }) => warp.ready())));
    await this.scheduler.advance(this.#options.shared === true ? 3_500 : 1_200);
  }

  /** Nodes whose process has not crashed. */
  get live(): ClusterNode[] {
    return this.nodes.filter(({ clock }) => clock.state !== "crashed");
  }

  /** A write by somebody who is not Warp: at once. */
  writeOutside(key: string, value: unknown): void {
    const bytes =
      value === undefined ? undefined : Buffer.concat([Buffer.from([1]), Buffer.from(JSON.stringify(value))]);
    this.#foreign.changeOutside(key, bytes);
  }

  /** Ends a process where it stands. */
  crash(node: ClusterNode): void {
    this.scheduler.crash(node.clock);
    this.network.disconnect(node.name);
  }

  /** No faults any more: from now on everything arrives, in its own time. */
  heal(): void {
    this.lost = undefined;
    this.network.faults.delayMs = undefined;
    this.network.faults.duplicate = undefined;
    for (const node of this.live) {
      for (const faults of [node.store, node.shared, node.bus]) {
        faults.loseReply = 0;
        faults.loseRequest = 0;
        faults.maxMs = 5;
      }
      this.network.reconnect(node.name);
      if (node.clock.state === "frozen") this.scheduler.thaw(node.clock);
    }
  }
}
