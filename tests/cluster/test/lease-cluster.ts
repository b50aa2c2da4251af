import { MemoryBus, MemoryNetwork, MemoryStore, MemoryStoreData, silentLogger, Warp } from "@warp/core";
import type { PauseOptions, Scheduler, SimulatedClock } from "../src/index.ts";

export interface LeaseNode {
  readonly warp: Warp;
  readonly clock: SimulatedClock;
  /** Latency and loss of its way to the store. */
  readonly faults: { -readonly [Field in keyof PauseOptions]: PauseOptions[Field] };
}

/** Holds core to what a store may expect of a commit. */
class StrictStore extends MemoryStore {
  override commit(...args: Parameters<MemoryStore["commit"]>): ReturnType<MemoryStore["commit"]> {
    const keys = args[1].map(({ key }) => key);
    if (new Set(keys).size < keys.length) throw new RangeError(`a commit names a key twice: ${keys.join(", ")}`);
    return super.commit(...args);
  }
}

export const leasePrefix = "\u0000warp:";

/** Nodes that share a network and, unless told otherwise, a store. */
export class LeaseCluster {
  readonly scheduler: Scheduler;
  readonly server: SimulatedClock;
  readonly network: MemoryNetwork;
  readonly data: MemoryStoreData = new MemoryStoreData();
  readonly store: MemoryStore;
  readonly nodes: LeaseNode[] = [];
  readonly #stored: boolean;

  constructor(scheduler: Scheduler, { stored = true }: { readonly stored?: boolean } = {}) {
    this.scheduler = scheduler;
    this.#stored = stored;
    this.server = scheduler.clock({ label: "server" });
    const latency = scheduler.random("latency");
    this.network = new MemoryNetwork({
      clock: this.server,
      random: scheduler.random("network"),
      latencyMs: () => latency.next() * 3,
    });
    this.store = new MemoryStore({ clock: this.server, data: this.data, random: scheduler.random("outside") });
  }

  async join(label: string, skewMs = 0): Promise<LeaseNode> {
    const { scheduler, server, data } = this;
    const clock = scheduler.clock({ label, skewMs });
    const faults: LeaseNode["faults"] = { clock };
    const store = new StrictStore({
      clock: server,
      data,
      random: scheduler.random(`${label}/store`),
      pause: scheduler.pause(label, faults),
      landsWithinMs: 20,
    });
    const warp = new Warp({
      node: label,
      clock,
      random: scheduler.random(label),
      bus: new MemoryBus(this.network, { clock }),
      logger: silentLogger,
      ...(this.#stored ? { store } : {}),
    });
    warp.register("city:*", { ttl: "1h" });
    warp.register("figure:*", { mode: "strong-local", ttl: "1h" });
    await scheduler.complete(warp.ready());
    const node = { warp, clock, faults };
    this.nodes.push(node);
    return node;
  }

  async joinAll(labels: readonly string[]): Promise<LeaseNode[]> {
    const joined: LeaseNode[] = [];
    for (const label of labels) joined.push(await this.join(label));
    // A first heartbeat, so that everybody knows everybody.
    await this.scheduler.advance(1_100);
    return joined;
  }

  /** Changes a value in the store so that no node notices: only who asks the store again sees it. */
  changeBehind(key: string, template: string): void {
    this.store.changeOutside(key, this.data.current(template)?.value);
  }

  /** What the store still has of leases. */
  remains(): readonly string[] {
    return [...this.data.records()]
      .filter(([key, { value }]) => key.startsWith(leasePrefix) && value !== undefined)
      .map(([key]) => key);
  }

  /** What the store says of a lease. */
  state(id: string): { ttlMs: number; ended: boolean } | undefined {
    const value = this.data.current(`${leasePrefix}lease:${id}`)?.value;
    return value === undefined ? undefined : JSON.parse(Buffer.from(value.subarray(1)).toString());
  }

  async end(): Promise<void> {
    for (const { clock, warp } of this.nodes)
      if (clock.state === "running") await this.scheduler.complete(warp.close());
  }
}
