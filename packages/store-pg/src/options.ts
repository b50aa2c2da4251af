import { type Clock, type Duration, durationMs, systemClock, WarpError } from "@warp/core";
import { namesOf, type PgNames } from "./names.ts";

/** How a `PgStore` is set up. */
export interface PgStoreOptions {
  /** Default `"warp"`. 1 to 40 of a-z, 0-9 and _. */
  readonly table?: string;
  /** Default `"public"`. `migrate()` creates it if there is none. Same form as `table`. */
  readonly schema?: string;
  /** Default: the table's name and `_history`. Same form as `table`, to 50. */
  readonly historyTable?: string;
  /** In place of the server's clock, in milliseconds since the epoch: for imports of dated data, and tests. */
  readonly clock?: () => number;
  /**
   * The longest time after which a commit once sent can still take effect. Default `"10s"`. Transactions and lock
   * waits are held to it at the server; a pool's `statement_timeout` should not exceed it.
   */
  readonly landsWithin?: Duration;
  /** How long a tombstone stays at least. Default `"1d"`; must exceed `landsWithin`. */
  readonly tombstoneRetention?: Duration;
  /** The time between two rounds of the reaper. Default `"1m"`; `Infinity`: it never runs by itself. */
  readonly reapEvery?: Duration;
  /** The most rows of each kind that one round of the reaper touches. Default 1 000. */
  readonly reapBatch?: number;
  /** What the reaper waits with. Default: the machine's timers, which do not keep the process alive. */
  readonly timers?: Pick<Clock, "schedule">;
  /** Told why a round of the reaper failed; the next one comes as planned. Default: nobody is told. */
  readonly onReapError?: (error: unknown) => void;
}

/** Validated, with every default. */
export interface PgStoreSettings {
  readonly names: PgNames;
  readonly clock: (() => number) | undefined;
  readonly landsWithinMs: number;
  readonly tombstoneRetentionMs: number;
  readonly reapEveryMs: number;
  readonly reapBatch: number;
  readonly timers: Pick<Clock, "schedule">;
  readonly onReapError: (error: unknown) => void;
}

const positiveInteger = (field: string, value: number): number => {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new WarpError("INVALID_ARGUMENT", `${field} must be a whole number above 0; got ${String(value)}`);
};

/** @throws {WarpError} `INVALID_ARGUMENT` naming the option. */
export const settingsOf = (options: PgStoreOptions): PgStoreSettings => {
  const { table = "warp", schema = "public", historyTable = `${table}_history` } = options;
  const landsWithinMs = durationMs("landsWithin", options.landsWithin ?? "10s", { leastMs: 1 });
  const tombstoneRetentionMs = durationMs("tombstoneRetention", options.tombstoneRetention ?? "1d");
  if (tombstoneRetentionMs <= landsWithinMs)
    throw new WarpError(
      "INVALID_ARGUMENT",
      `tombstoneRetention must exceed landsWithin (${landsWithinMs} ms), else a late commit could take a key that was deleted for one never written; got ${tombstoneRetentionMs} ms`,
    );
  return Object.freeze({
    names: namesOf(schema, table, historyTable),
    clock: options.clock,
    landsWithinMs,
    tombstoneRetentionMs,
    reapEveryMs: durationMs("reapEvery", options.reapEvery ?? "1m", { leastMs: 1, infinite: true }),
    reapBatch: positiveInteger("reapBatch", options.reapBatch ?? 1_000),
    timers: options.timers ?? systemClock,
    onReapError: options.onReapError ?? (() => {}),
  });
};
