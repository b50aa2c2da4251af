import type { Cancel, Clock } from "@warp/core";
import type { PgNames } from "./names.ts";
import type { PgClient, PgQueryable } from "./pg-client.ts";
import { clock } from "./read-statements.ts";
import { inMs } from "./records.ts";
import { forgetFrom } from "./triggers.ts";

/** What one round of the reaper did. */
export interface Reaped {
  /** Values that had expired and are tombstones now. */
  readonly expired: number;
  /** Tombstones that were old enough to go. */
  readonly tombstones: number;
  /** Former versions past their age. */
  readonly versions: number;
}

/** Every text that the reaper sends. */
export interface ReapStatements {
  readonly begin: string;
  readonly expire: string;
  readonly bury: string;
  readonly remember: string;
  readonly prune: string;
}

// Rows that another transaction holds are left for the next round: two processes reap side by side, and no commit waits.
const claimed = (table: string, where: string, order: string): string => `
r.ctid = ANY (ARRAY(
  SELECT d.ctid FROM ${table} AS d WHERE ${where} ORDER BY ${order} LIMIT $2::int FOR UPDATE SKIP LOCKED))`;

/** `$3` retention, in milliseconds. */
const cutoff = `(SELECT ${clock} - make_interval(secs => $3::float8 / 1000))`;

/** Every text of a round. `$1` is the injected clock or null, `$2` the most rows. */
export const reapStatementsOf = ({ records, history, state }: PgNames): ReapStatements => ({
  // Tells the triggers that these are no foreign writes. Ends with the transaction.
  begin: "SELECT set_config('warp.reaper', 'on', true)",
  // Invisible to readers: an expired value reads as a tombstone with its own revision and date anyway.
  expire: `
UPDATE ${records} AS r SET value = NULL, expired = true, expires_at = NULL, dropped_at = r.expires_at,
  forget_from = ${forgetFrom("r.expires_at", "r.history", "r.history_max_age")}
WHERE ${claimed(records, `d.expires_at <= (SELECT ${clock})`, "d.expires_at")} RETURNING 1`,
  // Not while a version of the key is kept: a tombstone is what dates the end of the last one. OFFSET 0 keeps the
  // planner from reading all of the history at once.
  bury: `
DELETE FROM ${records} AS r WHERE ${claimed(
    records,
    `d.forget_from <= ${cutoff} AND d.committed_at <= ${cutoff} AND d.micros > 0
    AND NOT EXISTS (SELECT FROM ${history} AS h WHERE h.key = d.key OFFSET 0)`,
    "d.forget_from",
  )} RETURNING ${inMs("greatest(r.dropped_at, r.committed_at)")} AS dropped_at`,
  remember: `
UPDATE ${state} SET forgotten_before = greatest(forgotten_before, to_timestamp($1::float8 / 1000))`,
  prune: `
DELETE FROM ${history} AS r WHERE ${claimed(history, `d.drop_at <= (SELECT ${clock})`, "d.drop_at")} RETURNING 1`,
});

interface ReaperSettings {
  readonly names: PgNames;
  readonly tombstoneRetentionMs: number;
  readonly reapEveryMs: number;
  readonly reapBatch: number;
  readonly timers: Pick<Clock, "schedule">;
  readonly onReapError: (error: unknown) => void;
}

/** Removes what nobody can ask for any more, a bounded number of rows at a time. */
export class Reaper {
  readonly #client: PgClient;
  readonly #settings: ReaperSettings;
  readonly #statements: ReapStatements;
  readonly #clock: () => number | null;
  #cancel: Cancel | undefined;
  #running: Promise<void> = Promise.resolve();
  #state: "idle" | "started" | "closed" = "idle";

  constructor(client: PgClient, settings: ReaperSettings, clock: () => number | null) {
    this.#client = client;
    this.#settings = settings;
    this.#statements = reapStatementsOf(settings.names);
    this.#clock = clock;
  }

  /** From now on rounds come by themselves. Calling it again, or after `close`, does nothing. */
  start(): void {
    if (this.#state !== "idle" || this.#settings.reapEveryMs === Number.POSITIVE_INFINITY) return;
    this.#state = "started";
    this.#arm(this.#settings.reapEveryMs);
  }

  /** Resolves once the round under way, if any, has ended; no other follows. */
  async close(): Promise<void> {
    this.#state = "closed";
    this.#cancel?.();
    await this.#running;
  }

  /** One round, in one transaction. */
  async round(): Promise<Reaped> {
    const { reapBatch, tombstoneRetentionMs } = this.#settings;
    return await this.#client.transaction(async (transaction) => {
      const now = this.#clock();
      await transaction.query(this.#statements.begin, []);
      const expired = await transaction.query(this.#statements.expire, [now, reapBatch]);
      const versions = await transaction.query(this.#statements.prune, [now, reapBatch]);
      const tombstones = await this.#bury(transaction, [now, reapBatch, tombstoneRetentionMs]);
      return { expired: expired.length, tombstones, versions: versions.length };
    });
  }

  async #bury(transaction: PgQueryable, values: readonly unknown[]): Promise<number> {
    const buried = await transaction.query(this.#statements.bury, values);
    const last = buried.reduce((latest, row) => Math.max(latest, Number(row.dropped_at)), 0);
    if (buried.length > 0) await transaction.query(this.#statements.remember, [last]);
    return buried.length;
  }

  #arm(delayMs: number): void {
    const run = (): void => {
      this.#running = this.#tick();
    };
    this.#cancel = this.#settings.timers.schedule(delayMs, run, true);
  }

  async #tick(): Promise<void> {
    let full = false;
    try {
      const reaped = await this.round();
      full = Object.values(reaped).some((count) => count >= this.#settings.reapBatch);
    } catch (error) {
      this.#settings.onReapError(error);
    }
    // A full batch means that more is due; other work of the process comes in between.
    if (this.#state === "started") this.#arm(full ? 0 : this.#settings.reapEveryMs);
  }
}
