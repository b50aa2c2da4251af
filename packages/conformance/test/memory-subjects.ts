import { MemoryStore, MemoryStoreData, type MemoryStoreOptions } from "@warp/core";
import type { HistorySubject } from "../src/index.ts";
import { ManualClock } from "./manual-clock.ts";

type Make = (options: MemoryStoreOptions) => MemoryStore;

const plain: Make = (options) => new MemoryStore(options);

/** Two stores on one set of data, on a clock of the test's. */
export const openStore = (make: Make = plain): HistorySubject => {
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
export const openStoreOnSystemClock = (make: Make = plain): HistorySubject => ({ port: make({}) });
