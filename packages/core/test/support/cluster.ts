import {
  MemoryBus,
  MemoryNetwork,
  MemorySharedCache,
  MemorySharedCacheData,
  MemoryStore,
  MemoryStoreData,
  type MergeEngine,
  type Random,
  silentLogger,
  systemRandom,
  Warp,
  type WarpError,
  type WarpOptions,
} from "../../src/index.ts";
import { VirtualClock } from "./virtual-clock.ts";

/** Adds numbers; what is missing counts as 0. */
export const sum: MergeEngine<number> = {
  portVersion: 1,
  name: "sum",
  readsCurrent: true,
  merge: (current = 0, incoming) => current + incoming,
};

/** Chance that never surprises; ids are real ones. */
const calm: Random = { next: () => 0.5, id: () => systemRandom.id() };

/** What happens to calls of a port. A rejection before is a lost request, one after it a lost reply. */
export interface Faults {
  before?: ((method: string, parameters: readonly unknown[]) => Promise<void> | undefined) | undefined;
  after?: ((method: string, parameters: readonly unknown[]) => Promise<void> | undefined) | undefined;
}

export interface Watched<T> {
  readonly port: T;
  /** Methods, in the order they were called. */
  readonly calls: string[];
  readonly faults: Faults;
}

/** A port whose calls are counted and can be made to fail, each half of them. */
export const watched = <T extends object>(target: T): Watched<T> => {
  const calls: string[] = [];
  const faults: Faults = {};
  const wrap =
    (name: string, method: (...parameters: unknown[]) => unknown) =>
    (...parameters: unknown[]): unknown => {
      calls.push(name);
      const run = (): unknown => method.apply(target, parameters);
      const before = faults.before?.(name, parameters);
      const result = before === undefined ? run() : before.then(run);
      if (!(result instanceof Promise)) return result;
      return result.finally(() => faults.after?.(name, parameters));
    };
  const port = new Proxy(target, {
    get: (_, name) => {
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" && typeof name === "string" ? wrap(name, value as () => unknown) : value;
    },
  });
  return { port, calls, faults };
};

export const never: Promise<never> = new Promise<never>(() => undefined);

/** A promise to be settled by hand. */
export const gate = (): { readonly opened: Promise<void>; open: () => void } => {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
};

/** What the nodes of a test share, on one clock, and the nodes. */
export class Cluster {
  readonly clock: VirtualClock = new VirtualClock();
  readonly random: Random = calm;
  readonly data: MemoryStoreData = new MemoryStoreData();
  readonly shared: MemorySharedCacheData = new MemorySharedCacheData();
  readonly network: MemoryNetwork = new MemoryNetwork({ clock: this.clock, random: calm });
  /** What the store really holds. */
  readonly truth: MemoryStore = new MemoryStore({ clock: this.clock, data: this.data });

  store(options: { readonly landsWithinMs?: number } = {}): MemoryStore {
    return new MemoryStore({ clock: this.clock, random: calm, data: this.data, ...options });
  }

  sharedCache(): MemorySharedCache {
    return new MemorySharedCache({ clock: this.clock, random: calm, data: this.shared });
  }

  bus(): MemoryBus {
    return new MemoryBus(this.network);
  }

  /** A node with nothing but what is given. */
  node(name: string, options: WarpOptions = {}): Warp {
    return new Warp({ node: name, clock: this.clock, random: calm, logger: silentLogger, ...options });
  }

  /** A node on the store and the bus, ready; keys `k:*` are registered for an hour, `n:*` are sums. */
  async member(name: string, options: WarpOptions = {}): Promise<Warp> {
    const warp = this.node(name, { store: this.store(), bus: this.bus(), ...options });
    warp.register("k:*", { ttl: "1h" });
    warp.register("n:*", { ttl: "1h", merge: sum as MergeEngine });
    await this.clock.run(warp.ready());
    await this.clock.advance(0);
    return warp;
  }

  /** What is due now has happened. */
  settle(): Promise<void> {
    return this.clock.advance(0);
  }

  /** Waits for `work` in virtual time. */
  run<T>(work: Promise<T>, withinMs?: number): Promise<T> {
    return this.clock.run(work, withinMs);
  }

  /** The error that `work` rejects with. */
  async failure(work: Promise<unknown>, withinMs?: number): Promise<WarpError> {
    return await this.run(
      work.then(
        (value) => {
          throw new Error(`resolved ${JSON.stringify(value)}`);
        },
        (error: WarpError) => error,
      ),
      withinMs,
    );
  }

  /** What the store holds for `key`, decoded; `undefined` for nothing. */
  stored(key: string): unknown {
    const value = this.data.current(key)?.value;
    return value === undefined ? undefined : JSON.parse(new TextDecoder().decode(value.subarray(1)));
  }
}
