import type { ChangeListener } from "@warp/core";
import { Client, type Pool } from "pg";
import { fromPool, PgChangeFeed, type PgChangeFeedOptions, type PgStore } from "../src/index.ts";
import { toColumn } from "../src/keys.ts";
import { StoreBench } from "./open-store.ts";

/** A watcher that remembers what it was told. */
export class Recorder implements ChangeListener {
  readonly keys: Set<string> = new Set();
  calls = 0;
  gaps = 0;

  onChange(keys: readonly string[]): void {
    this.calls += 1;
    for (const key of keys) this.keys.add(key);
  }

  onGap(): void {
    this.gaps += 1;
  }
}

/** Stores with a change feed on tables of their own, and connections as other programs have them. */
export class FeedBench extends StoreBench {
  readonly #url: string;
  readonly stranger: Pool;
  readonly #ends: (() => Promise<void>)[] = [];

  constructor(url: string) {
    super(url);
    this.#url = url;
    this.stranger = this.pool(2);
  }

  /** What a listener of `table` goes by at the server. */
  nameOf(table: string): string {
    return `listens to ${table}`;
  }

  feed(table: string, options: PgChangeFeedOptions = {}, url = this.#url): PgChangeFeed {
    const application_name = this.nameOf(table);
    const connect = (): Client =>
      new Client({ connectionString: url, application_name, connectionTimeoutMillis: 2_000 });
    return new PgChangeFeed(connect, { table, ...options });
  }

  /** As `feed.watch`; ends with this bench at the latest. */
  async watch(feed: PgChangeFeed, listener: ChangeListener): Promise<() => Promise<void>> {
    const end = await feed.watch(listener);
    this.#ends.push(end);
    return end;
  }

  override async close(): Promise<void> {
    await Promise.all(this.#ends.map((end) => end()));
    await super.close();
  }

  /** A store whose foreign writes are announced. */
  async told(): Promise<{ readonly table: string; readonly store: PgStore }> {
    const table = this.table();
    const store = await this.store(fromPool(this.pool(2)), { table });
    await store.migrate({ changeFeed: true });
    return { table, store };
  }

  /** Writes values under keys, as somebody else does. */
  async change(table: string, keys: readonly string[]): Promise<void> {
    await this.stranger.query(
      `INSERT INTO ${table} (key, value) SELECT key, 'x' FROM unnest($1::text[]) AS key
       ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
      [keys.map(toColumn)],
    );
  }

  /** Ends every connection that listens to `table`, at the server. @returns How many. */
  async cut(table: string): Promise<number> {
    const { rowCount } = await this.stranger.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1",
      [this.nameOf(table)],
    );
    return rowCount ?? 0;
  }
}
