import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "@jest/globals";
import {
  MemoryBus,
  MemoryCache,
  MemoryNetwork,
  type Store,
  type StoredRecord,
  silentLogger,
  Warp,
} from "../src/index.ts";

/** A store that forgets every record at once, so that what grows is Warp's. */
const forgetful = (): Store => ({
  portVersion: 1,
  atomicBatch: true,
  conditionalDelete: true,
  landsWithinMs: 0,
  get: async () => undefined,
  getMany: async (keys) => keys.map(() => undefined),
  commit: async (operation, mutations) =>
    mutations.map((mutation): StoredRecord | undefined =>
      mutation.kind === "check"
        ? undefined
        : {
            value: mutation.kind === "put" ? mutation.value : undefined,
            revision: operation,
            timestamp: mutation.timestamp,
            committedAt: 0,
            expiresAt: undefined,
            operations: [operation],
          },
    ),
  keys: async function* () {},
  now: async () => Date.now(),
});

const collect = (): (() => void) => {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
};

it("a million distinct keys read, loaded, written and dropped leave no more behind than a hundred thousand", async () => {
  const gc = collect();
  const network = new MemoryNetwork();
  const node = () => {
    const localCache = new MemoryCache({ maxEntries: 10_000 });
    const warp = new Warp<Record<string, unknown>>({
      localCache,
      store: forgetful(),
      bus: new MemoryBus(network),
      logger: silentLogger,
    });
    warp.register("k:*", { ttl: "1m", negativeTtl: "1m", failSafe: "1m" });
    return warp;
  };
  const [a, b] = [node(), node()];
  await Promise.all([a.ready(), b.ready()]);
  const work = async (i: number): Promise<void> => {
    const key = `k:${i}`;
    if (i % 4 === 0) await a.set(key, { i });
    else if (i % 4 === 1) await a.getOrSet(key, () => ({ i }));
    else if (i % 4 === 2) await b.find(key);
    else await a.invalidate(key);
  };
  const upTo = async (from: number, to: number): Promise<number> => {
    for (let i = from; i < to; i += 500) await Promise.all([...Array(500).keys()].map((j) => work(i + j)));
    await Promise.all([a.flush(), b.flush()]);
    // Twice, with a turn between: what finalizers hold goes in the second.
    for (let round = 0; round < 2; round++) {
      gc();
      await new Promise((resolve) => setImmediate(resolve));
    }
    return process.memoryUsage().heapUsed;
  };
  const early = await upTo(0, 100_000);
  const late = await upTo(100_000, 1_000_000);
  await Promise.all([a.close(), b.close()]);
  expect(late / early).toBeLessThan(1.1);
}, 300_000);
