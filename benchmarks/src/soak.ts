// `npm run soak`: a million distinct keys through one node of each kind. What a node holds must not grow with the keys
// that it ever saw.
import { setTimeout } from "node:timers/promises";
import {
  MemoryBus,
  MemoryCache,
  MemoryNetwork,
  MemorySharedCache,
  type Store,
  type StoredRecord,
  silentLogger,
  Warp,
} from "@warp/core";

const early = 100_000;
const late = 1_000_000;
const together = 500;
const limit = 1.1;
const heartbeatMs = 1_000;

/** A store that forgets every record at once, so that what grows is Warp's. */
const forgetful = (): Store => ({
  portVersion: 1,
  atomicBatch: true,
  conditionalDelete: true,
  landsWithinMs: 0,
  get: async () => undefined,
  getMany: async (keys) => keys.map(() => undefined),
  commit: async (operation, mutations) =>
    mutations.map((mutation): StoredRecord | undefined => {
      if (mutation.kind === "check") return undefined;
      const value = mutation.kind === "put" ? mutation.value : undefined;
      const { timestamp } = mutation;
      return { value, revision: operation, timestamp, committedAt: 0, expiresAt: undefined, operations: [operation] };
    }),
  keys: async function* () {},
  now: async () => Date.now(),
});

interface Kind {
  readonly name: string;
  readonly make: () => Warp;
}

const localCache = (): MemoryCache => new MemoryCache({ maxEntries: 10_000 });

const kinds: readonly Kind[] = [
  { name: "a local cache alone", make: () => new Warp({ localCache: localCache(), logger: silentLogger }) },
  {
    name: "a local cache, a store and a bus",
    make: () =>
      new Warp({
        localCache: localCache(),
        store: forgetful(),
        bus: new MemoryBus(new MemoryNetwork()),
        logger: silentLogger,
      }),
  },
  {
    name: "both tiers, a store and a bus",
    make: () =>
      new Warp({
        localCache: localCache(),
        sharedCache: new MemorySharedCache({ maxEntries: 10_000 }),
        store: forgetful(),
        bus: new MemoryBus(new MemoryNetwork()),
        logger: silentLogger,
      }),
  },
];

const fail = (): never => {
  throw new Error("down");
};

/** One call on a key that was never seen before, or none at all. */
const work = async (warp: Warp, index: number): Promise<unknown> => {
  const key = `key:${index}`;
  switch (index % 8) {
    case 0:
      return await warp.set(key, { index });
    case 1:
      return await warp.getOrSet(key, () => ({ index }));
    case 2:
      return await warp.find(key);
    case 3:
      return await warp.getOrSet(key, fail).catch(() => undefined);
    case 4:
      return await warp.getMany([key, `${key}:other`]);
    case 5:
      return await warp.getOrSet(key, () => ({ index }), { persist: "none", signal: new AbortController().signal });
    case 6:
      return await warp.delete(key);
    default:
      return await warp.invalidate(key);
  }
};

const heapAfter = async (warp: Warp, from: number, to: number): Promise<number> => {
  for (let first = from; first < to; first += together)
    await Promise.all(Array.from({ length: together }, (_, index) => work(warp, first + index)));
  await warp.flush();
  // More than once, with a turn between: what finalizers hold goes later.
  for (let round = 0; round < 3; round++) {
    globalThis.gc?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return process.memoryUsage().heapUsed;
};

const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

if (globalThis.gc === undefined) throw new Error("run it with node --expose-gc");
let isFlat = true;
for (const { name, make } of kinds) {
  const warp = make();
  warp.register("key:*", { ttl: "1m", negativeTtl: "1m", failSafe: "1m", eagerRefresh: 0.1 });
  await warp.ready();
  // Until a node trusts an epoch of the shared tier, it puts nothing there.
  await setTimeout(3 * heartbeatMs);
  const before = await heapAfter(warp, 0, early);
  const after = await heapAfter(warp, early, late);
  isFlat &&= after <= limit * before;
  const figures = `${mib(before)} after ${early} keys, ${mib(after)} after ${late}`;
  process.stdout.write(`${name}: ${figures}, × ${(after / before).toFixed(3)} (limit ${limit})\n`);
  await warp.close();
}
process.exitCode = isFlat ? 0 : 1;
