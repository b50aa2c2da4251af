import { type Clock, type Duration, durationMs, systemClock, WarpError } from "@warp/core";
import { ObjectNames } from "./object-names.ts";
import { ServerClock, type StoreClock } from "./server-clock.ts";

/** How an `S3Store` is set up. */
export interface S3StoreOptions {
  /** Required. It must exist. */
  readonly bucket: string;
  /** What the names of all objects begin with: folders, each followed by a slash. Default `"warp/"`. */
  readonly prefix?: string;
  /** The most requests under way at once; the others wait. Default 32. */
  readonly concurrency?: number;
  /**
   * The longest time after which a commit once sent can still take effect. Default `"1m"`. No S3 server promises one:
   * it is how long yours may stall with a request that it has taken in. Signatures end after 15 minutes, and so does
   * every request that was not looked at before: `"16m"` holds for any stall.
   */
  readonly landsWithin?: Duration;
  /**
   * The longest that a commit of several keys may take until it is sent; a shorter deadline of the call's takes
   * precedence. Default `"30s"`. So long others wait for a writer that died, and a second for rounding.
   */
  readonly transactionDeadline?: Duration;
  /**
   * Whether the server honours `If-Match` on deletes. Default false: then tombstones stay for good. AWS does; Ceph's
   * RGW ignores it, and would delete what was written meanwhile. `verify()` finds out.
   */
  readonly conditionalDelete?: boolean;
  /** How long a tombstone stays at least, where it may go. Default `"1d"`; must exceed `landsWithin`. */
  readonly tombstoneRetention?: Duration;
  /**
   * The time between two steps of the reaper, each of which looks at up to 1 000 objects of a kind: tombstones, where
   * `conditionalDelete` holds, and transactions, where this process made or met one. Default `"1m"`; `Infinity`: it
   * never runs by itself.
   */
  readonly reapEvery?: Duration;
  /**
   * Of how many keys the entity tag and the record without its value are remembered: what saves a request at the next
   * commit, and the bytes of a value that has not changed. Default 10 000, about 1 kB each.
   */
  readonly remembered?: number;
  /** In place of the server's clock: one that other stores share, or `{ now }` for imports of dated data and tests. */
  readonly clock?: StoreClock;
  /** What deadlines are measured with. Default: the machine's. */
  readonly timers?: Pick<Clock, "schedule" | "monotonic">;
  /**
   * Told why work in the background failed: removing former versions, tombstones and what transactions leave behind.
   * Default: nobody is told.
   */
  readonly onBackgroundError?: (error: unknown) => void;
}

/** Validated, with every default. */
export interface S3StoreSettings {
  readonly bucket: string;
  readonly names: ObjectNames;
  readonly concurrency: number;
  readonly landsWithinMs: number;
  readonly transactionDeadlineMs: number;
  readonly conditionalDelete: boolean;
  readonly tombstoneRetentionMs: number;
  readonly reapEveryMs: number;
  readonly remembered: number;
  readonly clock: StoreClock;
  readonly timers: Pick<Clock, "schedule" | "monotonic">;
  readonly onBackgroundError: (error: unknown) => void;
}

const wholeNumber = (field: string, value: number, least: number): number => {
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new WarpError("INVALID_ARGUMENT", `${field} must be a whole number, at least ${least}; got ${String(value)}`);
};

/** @throws {WarpError} `INVALID_ARGUMENT` naming the option. */
export const settingsOf = (options: S3StoreOptions): S3StoreSettings => {
  const { bucket, timers = systemClock, conditionalDelete = false } = options;
  if (typeof bucket !== "string" || bucket === "")
    throw new WarpError("INVALID_ARGUMENT", `bucket must be the name of a bucket; got "${String(bucket)}"`);
  const landsWithinMs = durationMs("landsWithin", options.landsWithin ?? "1m", { leastMs: 1 });
  const tombstoneRetentionMs = durationMs("tombstoneRetention", options.tombstoneRetention ?? "1d");
  if (tombstoneRetentionMs <= landsWithinMs)
    throw new WarpError(
      "INVALID_ARGUMENT",
      `tombstoneRetention must exceed landsWithin (${landsWithinMs} ms), else a late commit could take a key that was deleted for one never written; got ${tombstoneRetentionMs} ms`,
    );
  return Object.freeze({
    bucket,
    names: new ObjectNames(options.prefix ?? "warp/"),
    concurrency: wholeNumber("concurrency", options.concurrency ?? 32, 1),
    landsWithinMs,
    transactionDeadlineMs: durationMs("transactionDeadline", options.transactionDeadline ?? "30s", { leastMs: 1 }),
    conditionalDelete,
    tombstoneRetentionMs,
    reapEveryMs: durationMs("reapEvery", options.reapEvery ?? "1m", { leastMs: 1, infinite: true }),
    remembered: wholeNumber("remembered", options.remembered ?? 10_000, 0),
    clock: options.clock ?? new ServerClock(() => timers.monotonic()),
    timers,
    onBackgroundError: options.onBackgroundError ?? (() => {}),
  });
};
