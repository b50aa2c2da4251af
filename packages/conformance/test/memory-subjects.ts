import {
  type LocalCache,
  MemoryBus,
  MemoryCache,
  type MemoryCacheOptions,
  MemoryNetwork,
  type MemoryNetworkOptions,
  MemorySharedCache,
  MemorySharedCacheData,
  type MemorySharedCacheOptions,
  MemoryStore,
  MemoryStoreData,
  type MemoryStoreOptions,
} from "@warp/core";
import type {
  BusSubject,
  ChangeFeedSubject,
  HistorySubject,
  SharedCacheSubject,
  StoreSubject,
  Subject,
} from "../src/index.ts";
import { ManualClock } from "./manual-clock.ts";

/** Two stores on one set of data, on a clock of the test's. */
export const openStore = (
  make = (options: MemoryStoreOptions): MemoryStore => new MemoryStore(options),
): HistorySubject => {
  const clock = new ManualClock();
  const data = new MemoryStoreData();
  return {
    port: make({ clock, data }),
    other: make({ clock, data }),
    advance: (ms) => clock.advance(ms),
    setClockBack: (ms) => clock.setBack(ms),
  };
};

/** One store on the machine's clock: the cases that wait. */
export const openStoreOnSystemClock = (): HistorySubject => ({ port: new MemoryStore() });

/** A store that cannot commit several keys at once. */
export const openSingleKeyStore = (): StoreSubject => {
  const single = Object.assign(new MemoryStore(), { atomicBatch: false });
  return { port: single };
};

/** Two caches on one tier, on a clock of the test's. */
export const openSharedCache = (
  make = (options: MemorySharedCacheOptions): MemorySharedCache => new MemorySharedCache(options),
): SharedCacheSubject => {
  const clock = new ManualClock();
  const data = new MemorySharedCacheData();
  const port = make({ clock, data });
  return {
    port,
    other: make({ clock, data }),
    advance: (ms) => clock.advance(ms),
    forget: (key) => void data.slots.delete(key),
    rollBack: () => {
      port.disconnect();
      port.reconnect();
    },
  };
};

export const openSharedCacheOnSystemClock = (): SharedCacheSubject => ({ port: new MemorySharedCache() });

/** A cache on a clock of the test's. */
export const openLocalCache = (
  maxEntries: number,
  make = (options: MemoryCacheOptions): LocalCache & { close(): void } => new MemoryCache(options),
): Subject<LocalCache> => {
  const clock = new ManualClock();
  const port = make({ maxEntries, clock });
  return { port, advance: (ms) => clock.advance(ms), close: () => port.close() };
};

/** A cache bounded by bytes too, on the machine's clock. */
export const openWeighingCache = (maxEntries: number): Subject<LocalCache> => {
  const port = new MemoryCache({ maxEntries, maxBytes: 10 * maxEntries, sizeOf: () => 10, sweepInterval: 10 });
  return { port, close: () => port.close() };
};

type MakeBus = (network: MemoryNetwork) => MemoryBus;
const plainBus: MakeBus = (network) => new MemoryBus(network);

/** The buses of two nodes, "a" and "b", on one network. */
export const openBuses = (options: MemoryNetworkOptions, make: MakeBus = plainBus): BusSubject => {
  const network = new MemoryNetwork(options);
  return {
    port: make(network),
    other: make(network),
    interrupt: () => {
      network.disconnect("a");
      network.reconnect("a");
    },
  };
};

/** As `openBuses`, on a clock of the test's and with latency. */
export const openBusesOnManualClock = (make: MakeBus = plainBus): BusSubject => {
  const clock = new ManualClock();
  return { ...openBuses({ clock, latencyMs: 2 }, make), advance: (ms) => clock.advance(ms) };
};

export const openChangeFeed = (
  make = (options: MemoryStoreOptions): MemoryStore => new MemoryStore(options),
): ChangeFeedSubject => {
  const data = new MemoryStoreData();
  const port = make({ data });
  return {
    port,
    other: make({ data }),
    change: (keys) => {
      for (const key of keys) port.changeOutside(key, Uint8Array.of(1));
    },
  };
};
