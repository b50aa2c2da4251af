import { afterAll, afterEach, describe, expect, it } from "@jest/globals";
import { describeWithOwn } from "@warp/tests-services";
import { services } from "@warp/tests-services/servers";
import { RedisCache } from "../src/index.ts";
import { TestNodes } from "./nodes.ts";
import { driver, uniquePrefix } from "./redis-clients.ts";

const page = "x".repeat(4_000);
const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

await describeWithOwn(services.redis, (server) => {
  const admin = driver.single(server.url);
  const limit = async (bytes: number, policy: string): Promise<void> => {
    await admin.call("CONFIG", "SET", "maxmemory-policy", policy);
    await admin.call("CONFIG", "SET", "maxmemory", bytes);
  };
  /** What the server needs with nothing in it, and so much more. */
  const leave = async (bytes: number, policy: string): Promise<void> => {
    await admin.call("FLUSHALL");
    const [, used] = /used_memory:(\d+)/.exec(String(await admin.call("INFO", "memory"))) ?? [];
    await limit(Number(used) + bytes, policy);
  };
  const evicted = async (): Promise<number> =>
    Number(/evicted_keys:(\d+)/.exec(String(await admin.call("INFO", "stats")))?.[1]);

  afterEach(() => limit(0, "noeviction"));
  afterAll(() => admin.disconnect());

  describe("a server that evicts", () => {
    it("by volatile-ttl loses copies and tokens, no update, and never the epoch", async () => {
      const nodes = new TestNodes([driver.single(server.url)], { prefix: uniquePrefix() });
      const { warp, cache } = nodes.first;
      await leave(1_500_000, "volatile-ttl");
      await warp.set("k:0", page);
      await nodes.settle("k:0");
      const epoch = await cache.epoch();
      const before = await evicted();
      for (const round of range(3)) {
        await warp.setMany(new Map(range(600).map((index) => [`k:${index}`, `${round} ${index} ${page}`])));
        const found = await warp.getMany(range(600).map((index) => `k:${index}`));
        expect(found.size).toBe(600);
        for (const index of range(600)) expect(found.get(`k:${index}`)).toBe(`${round} ${index} ${page}`);
      }
      expect(await evicted()).toBeGreaterThan(before + 500);
      expect(await cache.epoch()).toBe(epoch);
      expect(epoch).toBeDefined();
      await nodes.close();
    });

    it("forgets a token under a filler, whose put then changes nothing", async () => {
      const client = driver.single(server.url);
      const cache = new RedisCache(client, { prefix: uniquePrefix() });
      await leave(1_000_000, "volatile-ttl");
      // The shortest life goes first.
      const [slot] = await cache.read(["filled"], 10_000);
      const puts = range(600).map((index) => ({
        key: `${index}`,
        bytes: Buffer.from(page),
        ttlMs: 600_000,
        token: undefined,
      }));
      for (const put of puts) await cache.put([put]);
      expect(
        await cache.put([{ key: "filled", bytes: Buffer.from("stale"), ttlMs: 60_000, token: slot?.token }]),
      ).toEqual([false]);
      const [after] = await cache.read(["filled"], 10_000);
      expect(after?.bytes).toBeUndefined();
      expect(after?.token).not.toBe(slot?.token);
      client.disconnect();
    });
  });

  describe("a server that is full and evicts nothing", () => {
    it("answers reads, drops what it is told to, lands no fill, and refuses what must replace", async () => {
      const client = driver.single(server.url);
      const cache = new RedisCache(client, { prefix: uniquePrefix() });
      const bytes = Buffer.from("x");
      await cache.put([{ key: "full", bytes, ttlMs: 60_000, token: undefined }]);
      const [reserved] = await cache.read(["reserved"], 60_000);
      await limit(1, "noeviction");
      const [full, empty] = await cache.read(["full", "empty"], 60_000);
      expect(Buffer.from(full?.bytes ?? []).toString()).toBe("x");
      expect(empty).toEqual(expect.objectContaining({ bytes: undefined, expiresInMs: 0 }));
      for (const [key, token] of [
        ["empty", empty?.token],
        ["reserved", reserved?.token],
        ["full", full?.token],
      ] as const)
        expect(await cache.put([{ key, bytes, ttlMs: 60_000, token }])).toEqual([false]);
      await expect(cache.put([{ key: "full", bytes, ttlMs: 60_000, token: undefined }])).rejects.toThrow("OOM");
      await cache.drop(["full"]);
      expect((await cache.read(["full"], 60_000))[0]?.bytes).toBeUndefined();
      await limit(0, "noeviction");
      expect(await cache.put([{ key: "empty", bytes, ttlMs: 60_000, token: empty?.token }])).toEqual([false]);
      client.disconnect();
    });

    it("costs hits, not answers", async () => {
      const nodes = new TestNodes([driver.single(server.url)], { prefix: uniquePrefix() });
      const { warp, warnings } = nodes.first;
      await warp.set("k:1", "old");
      await nodes.settle("k:1");
      await limit(1, "noeviction");
      await warp.set("k:1", "new");
      await warp.set("k:2", "two");
      expect([await warp.get("k:1"), await warp.get("k:2"), await warp.get("k:1")]).toEqual(["new", "two", "new"]);
      expect(warp.status().ports.sharedCache).toBe("up");
      expect(warnings).toEqual([]);
      await nodes.close();
    });
  });
});
