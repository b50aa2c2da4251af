import type { CallOptions } from "./call-options.ts";
import type { StoredRecord } from "./store.ts";

/** The past of a store's keys. A store that keeps it implements this beside `Store`. */
export interface History {
  /**
   * The record as it stood at `at` (milliseconds since the epoch, by the store's commit times; a commit at `at` itself
   * counts). A tombstone or an expired value comes as a record without a value.
   * @returns `undefined` if the key had no record then.
   * @throws {WarpError} `HISTORY_UNAVAILABLE` if that version is no longer kept.
   */
  getAt(key: string, at: number, options?: CallOptions): Promise<StoredRecord | undefined>;
}
