import { MemoryBus, MemoryCache, MemoryNetwork } from "@warp/core";
import type { Buses, Caches } from "./ports.ts";

/** @param maxEntries Of each node. */
export const memoryCaches = (maxEntries: number): Caches => ({
  make: () => ({ localCache: new MemoryCache({ maxEntries }) }),
  close: async () => {},
});

export const memoryBuses = (): Buses => {
  const network = new MemoryNetwork();
  return { make: async () => new MemoryBus(network), close: async () => {} };
};
