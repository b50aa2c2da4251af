import { afterAll, afterEach, describe, expect, it } from "@jest/globals";
import {
  MemoryBus,
  MemoryNetwork,
  type MergeEngine,
  silentLogger,
  Warp,
  WarpError,
  type WarpOptions,
} from "@warp/core";
import { describeWithOwn } from "@warp/tests-services";
import { services } from "@warp/tests-services/servers";
import type { Pool } from "pg";
import { fromPool, PgStore } from "../src/index.ts";
import { FeedBench, Recorder } from "./feed-bench.ts";
import { newOperation, putOf } from "./steps.ts";
import { lockWaiters, rejectionOf, until } from "./waiting.ts";

const sum: MergeEngine<number> = {
  portVersion: 1,
  name: "sum",
  readsCurrent: true,
  merge: (current = 0, incoming) => current + incoming,
};

await describeWithOwn(services.postgres, (server) => {
  const bench = new FeedBench(server.url);
  const nodes: Warp[] = [];
  const unhandled: unknown[] = [];
  process.on("unhandledRejection", (reason) => unhandled.push(reason));
  afterEach(async () => {
    // Whatever a test that failed has left behind.
    await server.thaw();
    expect(unhandled).toEqual([]);
  });
  afterAll(async () => {
    await Promise.all(nodes.map((node) => node.close()));
    await bench.close();
  });

  /** What it says is done survives the server's own death (not the machine's: the tests' server never calls fsync). */
  const durable = (max = 4): Pool =>
    bench.pool(max, "-c synchronous_commit=on", { connectionTimeoutMillis: 500, query_timeout: 5_000 });

  const node = (table: string, options: WarpOptions = {}): Warp => {
    const store = new PgStore(fromPool(durable()), { table, landsWithin: "3s", reapEvery: Number.POSITIVE_INFINITY });
    const deadlines = { store: "400ms" } as const;
    const warp = new Warp({ store, deadlines, logger: silentLogger, ...options });
    warp.register("n:*", { ttl: "1h", merge: sum as MergeEngine });
    warp.register("k:*", { ttl: "1h" });
    nodes.push(warp);
    return warp;
  };

  const newTable = async (): Promise<string> => (await bench.told()).table;

  const stored = async (table: string, key: string): Promise<unknown> => {
    const { rows } = await bench.stranger.query(`SELECT ${table}_decode(value) AS value FROM ${table} WHERE key = $1`, [
      key,
    ]);
    return rows[0]?.value;
  };

  const killAndRestart = async (): Promise<void> => {
    await server.kill();
    await server.restart();
    await until("somebody can connect again", () =>
      bench.stranger.query("SELECT 1").then(
        () => true,
        () => false,
      ),
    );
  };

  /** While `run` runs, commits are written, and their answers wait for a standby that never comes. */
  const withoutAnswers = async (table: string, run: (waiting: () => Promise<number>) => Promise<void>) => {
    const waiting = async (): Promise<number> =>
      (await bench.stranger.query("SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep'")).rowCount ?? 0;
    const probe = durable(1);
    const insert = `INSERT INTO ${table} (key, value) VALUES ('probe:' || random(), 'x')`;
    let isOpen = true;
    const write = async (): Promise<void> => {
      while (isOpen) await probe.query(insert);
    };
    await bench.stranger.query("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    await bench.stranger.query("SELECT pg_reload_conf()");
    try {
      // The server takes its time to follow. This ends with the server's death.
      write().catch(() => {});
      await until("commits wait", async () => (await waiting()) > 0);
      isOpen = false;
      await run(waiting);
    } finally {
      isOpen = false;
      await bench.stranger.query("ALTER SYSTEM RESET synchronous_standby_names");
      await bench.stranger.query("SELECT pg_reload_conf()");
    }
  };

  describe("a server that is killed inside a commit", () => {
    it("which waited for a lock: it did not happen, and is made once afterwards", async () => {
      const table = await newTable();
      const warp = node(table);
      await warp.set("n:lock", 1);
      const holder = await bench.stranger.connect();
      holder.on("error", () => {});
      await holder.query("BEGIN");
      await holder.query(`SELECT FROM ${table} FOR UPDATE`);
      const outcome = warp.set("n:lock", 10).catch((error: unknown) => error);
      await until("it waits", async () => (await lockWaiters(fromPool(bench.stranger), table)).length > 0);
      await killAndRestart();
      holder.release(true);
      const said = await outcome;
      if (said !== 11) expect(said).toMatchObject({ code: expect.stringMatching(/OUTCOME_UNKNOWN|UNAVAILABLE/) });
      await warp.flush();
      const happened = (await stored(table, "n:lock")) as number;
      expect(WarpError.is(said) && said.code === "UNAVAILABLE" ? [1] : [1, 11]).toContain(happened);
      if (said === 11) expect(happened).toBe(11);
      await until("the node reads what is stored", async () => (await warp.get("n:lock").catch(() => 0)) === happened);
    }, 60_000);

    it("after it was written and before anybody was told: it is read back, and counts once", async () => {
      const table = await newTable();
      const warp = node(table);
      await warp.set("n:told", 1);
      let outcome: Promise<unknown> = Promise.resolve();
      await withoutAnswers(table, async (waiting) => {
        outcome = warp.set("n:told", 10).catch((error: unknown) => error);
        await until("it waits for the standby too", async () => (await waiting()) > 1);
        await killAndRestart();
      });
      const said = await outcome;
      if (said !== 11) expect(WarpError.has(said, "OUTCOME_UNKNOWN")).toBe(true);
      expect(await stored(table, "n:told")).toBe(11);
      await warp.flush();
      await until("the node reads it too", async () => (await warp.get("n:told").catch(() => 0)) === 11);
      expect(await warp.set("n:told", 100)).toBe(111);
      expect(await stored(table, "n:told")).toBe(111);
    }, 60_000);

    it("of several keys leaves all of them or none", async () => {
      const table = await newTable();
      const store = new PgStore(fromPool(durable()), { table, reapEvery: Number.POSITIVE_INFINITY });
      for (let round = 0; round < 3; round += 1) {
        const operation = newOperation();
        const keys = Array.from({ length: 300 }, (_, index) => `many:${round}:${index}`);
        const commit = store.commit(
          operation,
          keys.map((key) => putOf(key, "x")),
        );
        const said = commit.then(
          () => "landed",
          (error: unknown) => error,
        );
        // In the first round it may not even have arrived.
        if (round > 0)
          await until("it has begun", async () => {
            const { rowCount } = await bench.stranger.query(
              "SELECT FROM pg_stat_activity WHERE query LIKE $1 AND state <> 'idle'",
              [`%${table}%`],
            );
            return rowCount !== 0 || (await Promise.race([said, Promise.resolve("under way")])) !== "under way";
          });
        await killAndRestart();
        const found = (await store.getMany(keys)).filter((record) => record !== undefined);
        expect([0, 300]).toContain(found.length);
        if ((await said) === "landed") expect(found).toHaveLength(300);
        if (WarpError.is(await said)) expect(found).toHaveLength(0);
      }
    }, 60_000);
  });

  it("counts of many writers stay within what was said, over three deaths of the server", async () => {
    const table = await newTable();
    const network = new MemoryNetwork();
    const pair = [1, 2].map(() => node(table, { bus: new MemoryBus(network) }));
    let [resolved, unknown, refused] = [0, 0, 0];
    let running = true;
    const write = async (warp: Warp): Promise<void> => {
      while (running) {
        try {
          await warp.set("n:many", 1);
          resolved += 1;
        } catch (error) {
          if (WarpError.has(error, "OUTCOME_UNKNOWN")) unknown += 1;
          else refused += 1;
          // While the breaker is open calls are refused at once: the next one comes with the server's next answer.
          await until("the server answers", () =>
            bench.stranger.query("SELECT 1").then(
              () => true,
              () => !running,
            ),
          );
        }
      }
    };
    const writers = pair.flatMap((warp) => [write(warp), write(warp), write(warp)]);
    for (let death = 0; death < 3; death += 1) {
      const before = resolved;
      await until("writes flow", () => resolved > before + 40);
      await killAndRestart();
    }
    const before = resolved;
    await until("writes flow again", () => resolved > before + 40);
    running = false;
    await Promise.all(writers);
    for (const warp of pair) await warp.flush({ timeout: "20s" });
    const count = (await stored(table, "n:many")) as number;
    expect(count).toBeGreaterThanOrEqual(resolved);
    expect(count).toBeLessThanOrEqual(resolved + unknown);
    for (const warp of pair)
      await until("every node agrees", () =>
        warp.get("n:many").then(
          (value) => value === count,
          () => false,
        ),
      );
    expect(refused + unknown).toBeGreaterThan(0);
  }, 60_000);

  it("a server that answers nothing costs a caller its deadline, then nothing, and is used again once it answers", async () => {
    const table = await newTable();
    const warp = node(table);
    await warp.set("k:frozen", 1);
    await server.freeze();
    const times: number[] = [];
    for (let call = 0; call < 8; call += 1) {
      const began = performance.now();
      expect(await rejectionOf(warp.get(`k:other:${call}`))).toMatchObject({
        code: expect.stringMatching(/DEADLINE_EXCEEDED|UNAVAILABLE/),
        port: "store",
      });
      times.push(performance.now() - began);
    }
    expect(Math.max(...times)).toBeLessThan(1_500);
    expect(Math.max(...times.slice(5))).toBeLessThan(300);
    expect(await warp.get("k:frozen")).toBe(1);
    expect(warp.status().ports.store).toBe("down");
    await server.thaw();
    await until("it is used again", () =>
      warp.find("k:other:0").then(
        (value) => value === undefined,
        () => false,
      ),
    );
  }, 60_000);

  describe("a change feed", () => {
    it("whose server answers nothing any more notices it, and hears again afterwards", async () => {
      const { table } = await bench.told();
      const feed = bench.feed(table, { keepAlive: 100, answerWithin: 300 });
      const recorder = new Recorder();
      await bench.watch(feed, recorder);
      await server.freeze();
      await until("the gap is told", () => recorder.gaps === 1);
      expect(feed.live).toBe(false);
      await server.thaw();
      await until("it hears again", () => feed.live && recorder.gaps === 2);
      await bench.change(table, ["k"]);
      await until("the change is told", () => recorder.keys.has("k"));
    }, 60_000);

    it("outlives its server: what psql wrote meanwhile is read by every node, and what it writes afterwards too", async () => {
      const table = await newTable();
      const network = new MemoryNetwork();
      const pair = [1, 2].map(() => node(table, { bus: new MemoryBus(network), changeFeed: bench.feed(table) }));
      await Promise.all(pair.map((warp) => warp.ready()));
      const [first] = pair as [Warp, Warp];
      await first.set("k:psql", 0);
      const all = (value: number): Promise<void> =>
        until(`every node reads ${value}`, async () => {
          const found = await Promise.all(pair.map((warp) => warp.find("k:psql").catch(() => undefined)));
          return found.every((one) => one === value);
        });
      await all(0);
      await server.kill();
      await until("every node knows", () => pair.every((warp) => warp.status().ports.changeFeed === "down"));
      await server.restart();
      await bench.stranger.query(`UPDATE ${table} SET value = ${table}_encode('1')`);
      await all(1);
      await until("every node hears again", () => pair.every((warp) => warp.status().ports.changeFeed === "up"));
      await bench.stranger.query(`UPDATE ${table} SET value = ${table}_encode('2')`);
      await all(2);
    }, 60_000);
  });
});
