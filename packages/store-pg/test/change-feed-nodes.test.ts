import { afterAll, expect, it } from "@jest/globals";
import { MemoryBus, MemoryNetwork, MemorySharedCache, MemorySharedCacheData, silentLogger, Warp } from "@warp/core";
import { describeWith } from "@warp/tests-services";
import { fromPool, PgStore } from "../src/index.ts";
import { FeedBench } from "./feed-bench.ts";
import { until } from "./waiting.ts";

interface City {
  readonly people: number;
}

await describeWith("postgres", (url) => {
  const bench = new FeedBench(url);
  const nodes: Warp[] = [];
  afterAll(async () => {
    await Promise.all(nodes.map((node) => node.close()));
    await bench.close();
  });

  /** Two nodes on one table, each with its own pool, feed and local tier, with a shared tier between them. */
  const open = async () => {
    const { table } = await bench.told();
    const [network, data] = [new MemoryNetwork(), new MemorySharedCacheData()];
    const pair = [1, 2].map(() => {
      const node = new Warp<Record<string, City>>({
        store: new PgStore(fromPool(bench.pool(2)), { table, reapEvery: Number.POSITIVE_INFINITY }),
        bus: new MemoryBus(network),
        sharedCache: new MemorySharedCache({ data }),
        changeFeed: bench.feed(table),
        logger: silentLogger,
      });
      node.register("city:*", { ttl: "1h" });
      nodes.push(node as Warp);
      return node;
    });
    await Promise.all(pair.map((node) => node.ready()));
    const people = async (key: string): Promise<readonly (number | undefined)[]> =>
      Promise.all(pair.map(async (node) => (await node.find(key))?.people));
    const psql = (sql: string): Promise<unknown> => bench.stranger.query(sql.replaceAll("warp", table));
    return { table, pair: pair as [Warp<Record<string, City>>, Warp<Record<string, City>>], people, psql };
  };

  it("what psql writes is read by every node, however often they have cached the key", async () => {
    const { pair, people, psql } = await open();
    await pair[0].set("city:oslo", { people: 1 });
    for (const [sql, expected] of [
      [`UPDATE warp SET value = warp_encode('{"people": 2}') WHERE key = 'city:oslo'`, 2],
      [`DELETE FROM warp WHERE key = 'city:oslo'`, undefined],
      [`INSERT INTO warp (key, value) VALUES ('city:oslo', warp_encode('{"people": 3}'))`, 3],
      [`UPDATE warp SET value = warp_encode('{"people": 4}')`, 4],
    ] as const) {
      await people("city:oslo");
      await psql(sql);
      await until(`both read ${expected}`, async () => {
        const found = await people("city:oslo");
        return found.every((one) => one === expected);
      });
    }
    expect(pair.map((node) => node.status().ports.changeFeed)).toEqual(["up", "up"]);
  });

  it("what psql writes while the listeners' connections are lost is read all the same, and cached copies stay right", async () => {
    const { table, pair, people, psql } = await open();
    for (let round = 0; round < 5; round += 1) {
      await pair[round % 2]?.set("city:rome", { people: round });
      await until("both have it", async () => (await people("city:rome")).every((one) => one === round));
      await bench.cut(table);
      await psql(`UPDATE warp SET value = warp_encode('{"people": ${1_000 + round}}')`);
      await until("both read it", async () => (await people("city:rome")).every((one) => one === 1_000 + round));
      await until("both hear again", () => pair.every((node) => node.status().ports.changeFeed === "up"));
      expect(await people("city:rome")).toEqual([1_000 + round, 1_000 + round]);
    }
  });

  it("a migration of 20 000 rows, and a TRUNCATE, leave no old copy", async () => {
    const { pair, people, psql } = await open();
    await psql(`INSERT INTO warp (key, value)
      SELECT 'city:' || i, warp_encode('{"people": 1}') FROM generate_series(1, 20000) AS i`);
    const keys = Array.from({ length: 500 }, (_, index) => `city:${1 + 40 * index}`);
    for (const node of pair) expect((await node.getMany(keys)).size).toBe(500);
    await psql(`UPDATE warp SET value = warp_encode('{"people": 2}')`);
    await until("all of them are new", async () => {
      const found = await Promise.all(pair.map((node) => node.getMany(keys)));
      return found.every(
        (values) => values.size === keys.length && [...values.values()].every((city) => city.people === 2),
      );
    });
    await psql("TRUNCATE warp");
    await until("all of them are gone", async () => (await people("city:41")).every((one) => one === undefined));
    for (const node of pair) expect((await node.getMany(keys)).size).toBe(0);
  }, 60_000);
});
