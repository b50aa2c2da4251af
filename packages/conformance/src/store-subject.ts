import type { History, Store } from "@warp/core";
import type { Need, Subject } from "./case.ts";

/** A store to be checked. */
export interface StoreSubject extends Subject<Store> {
  /** Sets the clock that dates commits back, as an administrator might. Absent where a test cannot. */
  readonly setClockBack?: ((ms: number) => void | Promise<void>) | undefined;
}

/** A store that keeps its past. */
export interface HistorySubject extends Subject<Store & History> {
  /** As in `StoreSubject`. */
  readonly setClockBack?: ((ms: number) => void | Promise<void>) | undefined;
}

export const atomicBatch: Need<StoreSubject> = {
  fact: "atomicBatch",
  holds: ({ port }) => port.atomicBatch,
};

export const settableClock: Need<StoreSubject> = {
  fact: "setClockBack",
  holds: ({ setClockBack }) => setClockBack !== undefined,
};
