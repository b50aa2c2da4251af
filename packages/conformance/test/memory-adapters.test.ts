import { describe, expect, it } from "@jest/globals";
import {
  busCases,
  type ConformanceCase,
  changeFeedCases,
  historyCases,
  localCacheCases,
  sharedCacheCases,
  storeCases,
} from "../src/index.ts";
import {
  openBuses,
  openBusesOnManualClock,
  openChangeFeed,
  openLocalCache,
  openSharedCache,
  openSharedCacheOnSystemClock,
  openSingleKeyStore,
  openStore,
  openStoreOnSystemClock,
  openWeighingCache,
} from "./memory-subjects.ts";

/** Every case must hold; those that need one of `lacking` must say that they checked nothing. */
const register = (subject: string, cases: readonly ConformanceCase[], lacking: readonly string[] = []): void => {
  describe(subject, () => {
    for (const { name, needs, run } of cases)
      it(name, async () => {
        expect(await run()).toBe(needs !== undefined && lacking.includes(needs) ? "exempt" : "checked");
      });
  });
};

register("MemoryStore on a clock of the test's", [
  ...storeCases(() => openStore()),
  ...historyCases(() => openStore()),
]);
register(
  "MemoryStore on the machine's clock",
  [...storeCases(openStoreOnSystemClock), ...historyCases(openStoreOnSystemClock)],
  ["setClockBack"],
);
register("a store without atomic batches", storeCases(openSingleKeyStore), ["atomicBatch", "setClockBack"]);
register(
  "MemorySharedCache on a clock of the test's",
  sharedCacheCases(() => openSharedCache()),
);
register("MemorySharedCache on the machine's clock", sharedCacheCases(openSharedCacheOnSystemClock), [
  "forget",
  "rollBack",
]);
register(
  "MemoryCache",
  localCacheCases((maxEntries) => openLocalCache(maxEntries)),
);
register("MemoryCache bounded by bytes", localCacheCases(openWeighingCache));
register(
  "MemoryBus",
  busCases(() => openBuses({})),
);
register(
  "MemoryBus on a clock of the test's, with latency",
  busCases(() => openBusesOnManualClock()),
);
register(
  "the change feed of MemoryStore",
  changeFeedCases(() => openChangeFeed()),
  ["interrupt"],
);
