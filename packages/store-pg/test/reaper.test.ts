import { describe, expect, it } from "@jest/globals";
import { WarpError } from "@warp/core";
import { type PgQueryable, PgStore } from "../src/index.ts";
import { describeBackends } from "./backends.ts";
import { newOperation, put, putOf, read, readRecord, remove, text } from "./steps.ts";
import { rejectionOf, until } from "./waiting.ts";

const start = Date.UTC(2026, 6, 1);
const forEver = { versions: undefined, maxAgeMs: undefined };
const hour = 3_600_000;

const countOf = async (query: PgQueryable, table: string): Promise<number> => {
  const [row] = await query.query(`SELECT count(*)::int AS count FROM ${table}`, []);
  return Number(row?.count);
};

/** Timers that fire when told. */
class ManualTimers {
  readonly delays: number[] = [];
  run: (() => void) | undefined;

  schedule(delayMs: number, run: () => void, background?: boolean): () => void {
    expect(background).toBe(true);
    this.delays.push(delayMs);
    this.run = run;
    return () => {
      this.run = undefined;
    };
  }
}

await describeBackends((open) => {
  describe("a round of the reaper", () => {
    it("makes tombstones of expired values, which no reader can tell", async () => {
      let now = start;
      const { store, table, sql } = await open({ clock: () => now });
      const value = await put(store, "k", "x", { ttlMs: 1_000, history: forEver });
      await put(store, "stays", "x", { ttlMs: 2_000 });
      expect(await store.reap()).toEqual({ expired: 0, tombstones: 0, versions: 0 });
      now += 1_000;
      const views = () =>
        Promise.all([
          store.get("k"),
          store.get("k", value.revision),
          store.getAt("k", value.committedAt),
          store.getAt("k", start + 999),
          store.getAt("k", start + 1_000),
          store.getAt("k", start - 1),
        ]);
      const before = await views();
      expect(before[0]).toEqual({ ...value, value: undefined });
      expect(text(before[3])).toBe("x");
      expect(await store.reap()).toEqual({ expired: 1, tombstones: 0, versions: 0 });
      expect(await sql(`SELECT value, expired FROM ${table} WHERE key = 'k'`)).toEqual([
        { value: null, expired: true },
      ]);
      expect(await views()).toEqual(before);
      expect(await store.reap()).toEqual({ expired: 0, tombstones: 0, versions: 0 });
      const next = await put(store, "k", "y", { expected: value.revision, history: forEver });
      expect((await read(store, "k"))?.operations).toEqual([next.revision, value.revision]);
      expect(text(await store.getAt("k", start + 999))).toBe("x");
      expect((await store.getAt("k", start + 1_000))?.revision).toBe(next.revision);
      expect(text(await read(store, "stays"))).toBe("x");
    });

    it("loses the value of an expired version that no history is kept of, and says so", async () => {
      let now = start;
      const { store } = await open({ clock: () => now });
      await put(store, "k", "x", { ttlMs: 1_000 });
      now += 1_000;
      await store.reap();
      expect(WarpError.has(await rejectionOf(store.getAt("k", start)), "HISTORY_UNAVAILABLE")).toBe(true);
      expect((await store.getAt("k", now))?.value).toBeUndefined();
    });

    it("removes tombstones past their retention, and knows what it forgot", async () => {
      let now = start;
      const { store, client, table } = await open({ clock: () => now, tombstoneRetention: "1h" });
      await put(store, "expiring", "x", { ttlMs: hour / 2 });
      await put(store, "deleted", "x");
      await remove(store, "deleted");
      await put(store, "live", "x");
      now += hour / 2;
      expect(await store.reap()).toEqual({ expired: 1, tombstones: 0, versions: 0 });
      now += hour / 2;
      expect(await store.reap()).toEqual({ expired: 0, tombstones: 1, versions: 0 });
      expect(await read(store, "deleted")).toBeUndefined();
      expect(await read(store, "expiring")).toBeDefined();
      now += hour / 2;
      expect(await store.reap()).toEqual({ expired: 0, tombstones: 1, versions: 0 });
      expect(await countOf(client, table)).toBe(1);
      // Whether there was something under a name before the last tombstone that went, nobody knows any more.
      expect(WarpError.has(await rejectionOf(store.getAt("deleted", start)), "HISTORY_UNAVAILABLE")).toBe(true);
      expect(await store.getAt("deleted", now)).toBeUndefined();
      expect(text(await store.getAt("live", start))).toBe("x");
      await put(store, "deleted", "again");
      expect(text(await read(store, "deleted"))).toBe("again");
    });

    it("keeps a tombstone for as long as a version before it is kept", async () => {
      let now = start;
      const { store, client, table } = await open({ clock: () => now, tombstoneRetention: "1h" });
      const bounded = { versions: undefined, maxAgeMs: 10 * hour };
      for (const [key, history] of Object.entries({ bounded, forEver })) {
        await put(store, key, "x", { history });
        await remove(store, key, { history });
      }
      now += 9 * hour;
      expect(await store.reap()).toEqual({ expired: 0, tombstones: 0, versions: 0 });
      now += hour;
      expect(await store.reap()).toEqual({ expired: 0, tombstones: 0, versions: 1 });
      now += hour;
      expect(await store.reap()).toEqual({ expired: 0, tombstones: 1, versions: 0 });
      expect(await read(store, "bounded")).toBeUndefined();
      expect(await read(store, "forEver")).toBeDefined();
      expect(await countOf(client, `${table}_history`)).toBe(1);
    });

    it("touches no more rows of a kind than it may", async () => {
      let now = start;
      const { store } = await open({ clock: () => now, reapBatch: 10, tombstoneRetention: "1h" });
      const keys = Array.from({ length: 25 }, (_, index) => putOf(`k${index}`, "x", { ttlMs: 1 }));
      await store.commit(newOperation(), keys);
      now += 2 * hour;
      const rounds = [];
      for (let round = 0; round < 4; round += 1) rounds.push(await store.reap());
      expect(rounds.map(({ expired }) => expired)).toEqual([10, 10, 5, 0]);
      expect(rounds.reduce((sum, { tombstones }) => sum + tombstones, 0)).toBe(25);
    });

    it("leaves the next commit of a key undisturbed, on its revision or on no record", async () => {
      let now = start;
      const { store } = await open({ clock: () => now, tombstoneRetention: "1h" });
      const value = await put(store, "k", "x", { ttlMs: 1 });
      now += 10;
      await store.reap();
      const tombstone = await remove(store, "k", { expected: value.revision });
      now += 2 * hour;
      await store.reap();
      const stale = rejectionOf(store.commit(newOperation(), [putOf("k", "y", { expected: tombstone.revision })]));
      expect(WarpError.has(await stale, "CONFLICT")).toBe(true);
      await store.commit(newOperation(), [putOf("k", "y")]);
      expect((await readRecord(store, "k")).timestamp.micros).toBeGreaterThan(tombstone.timestamp.micros);
    });
  });

  describe("the reaper by itself", () => {
    it("begins with the first call, comes back at once while batches are full, and ends with close()", async () => {
      let now = start;
      const timers = new ManualTimers();
      const { store, client, table } = await open({ clock: () => now, reapEvery: "5m", reapBatch: 2, timers });
      expect(timers.delays).toEqual([]);
      const keys = Array.from({ length: 3 }, (_, index) => putOf(`k${index}`, "x", { ttlMs: 1 }));
      await store.commit(newOperation(), keys);
      await read(store, "k");
      expect(timers.delays).toEqual([300_000]);
      now += 10;
      const expired = () => client.query(`SELECT 1 FROM ${table} WHERE expired`, []);
      for (const [count, delay] of [
        [2, 0],
        [3, 300_000],
      ]) {
        const rounds = timers.delays.length;
        timers.run?.();
        await until("the round", async () => (await expired()).length === count && timers.delays.length > rounds);
        expect(timers.delays.at(-1)).toBe(delay);
      }
      await store.close();
      expect(timers.run).toBeUndefined();
      await read(store, "k");
      expect(timers.delays).toHaveLength(3);
    });

    it("tells of a round that failed, and comes again", async () => {
      const { client } = await open();
      const timers = new ManualTimers();
      const errors: unknown[] = [];
      const store = new PgStore(client, { table: "no_such_table", timers, onReapError: (error) => errors.push(error) });
      await rejectionOf(store.get("k"));
      timers.run?.();
      await until("the failure", async () => {
        await client.query("SELECT 1", []);
        return timers.delays.length === 2;
      });
      expect(errors).toMatchObject([{ code: "42P01" }]);
      await store.close();
    });

    it("waits in close() for the round under way", async () => {
      const timers = new ManualTimers();
      const { store, client, table } = await open({ timers, reapEvery: "1s" });
      await client.query(
        `INSERT INTO ${table} (key, value, expires_at) VALUES ('k', 'x', now() - interval '1 day')`,
        [],
      );
      await read(store, "k");
      timers.run?.();
      await store.close();
      expect(await client.query(`SELECT expired FROM ${table}`, [])).toEqual([{ expired: true }]);
      expect(timers.delays).toHaveLength(1);
    });
  });
});
