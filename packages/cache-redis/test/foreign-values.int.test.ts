import { afterAll, describe, expect, it } from "@jest/globals";
import { WarpError } from "@warp/core";
import { describeWith } from "@warp/tests-services";
import { RedisCache } from "../src/index.ts";
import { TestNodes } from "./nodes.ts";
import { driver, uniquePrefix } from "./redis-clients.ts";

await describeWith("redis", (url) => {
  const client = driver.single(url) as ReturnType<typeof driver.single> & {
    lpush(key: string, value: string): Promise<number>;
    getBuffer(key: string): Promise<Buffer | null>;
    strlen(key: string): Promise<number>;
  };
  afterAll(() => client.disconnect());

  describe("what no RedisCache wrote, at one of its keys,", () => {
    const placed: [string, (key: string) => Promise<unknown>][] = [
      ["a list", (key) => client.lpush(key, "x")],
      ["a text", (key) => client.set(key, "a value of another program, longer than any token")],
      ["an empty text", (key) => client.set(key, "")],
      ["a slot that was cut off", (key) => client.set(key, Buffer.from([0xf9, 1, 2]))],
    ];

    it.each(placed)("is bytes that are no entry, and makes way for the next fill: %s", async (_, place) => {
      const prefix = uniquePrefix();
      const cache = new RedisCache(client, { prefix });
      await place(`${prefix}:s1:bad`);
      await cache.put([{ key: "good", bytes: Buffer.from("x"), ttlMs: 1_000, token: undefined }]);
      const [bad, good, empty] = await cache.read(["bad", "good", "empty"], 60_000);
      expect(bad?.bytes).toEqual(new Uint8Array(0));
      expect(Buffer.from(good?.bytes ?? []).toString()).toBe("x");
      expect(empty?.bytes).toBeUndefined();
      expect(await cache.put([{ key: "bad", bytes: Buffer.from("y"), ttlMs: 1_000, token: bad?.token }])).toEqual([
        true,
      ]);
      const [repaired] = await cache.read(["bad"], 60_000);
      expect(Buffer.from(repaired?.bytes ?? []).toString()).toBe("y");
    });

    it.each(placed)(
      "takes no put with a token, and gives way to a drop and a put without one: %s",
      async (_, place) => {
        const prefix = uniquePrefix();
        const cache = new RedisCache(client, { prefix });
        const [slot] = await cache.read(["k"], 60_000);
        const bytes = Buffer.from("y");
        await client.unlink(`${prefix}:s1:k`);
        await place(`${prefix}:s1:k`);
        expect(await cache.put([{ key: "k", bytes, ttlMs: 1_000, token: slot?.token }])).toEqual([false]);
        expect(await cache.put([{ key: "k", bytes, ttlMs: 1_000, token: undefined }])).toEqual([true]);
        await client.unlink(`${prefix}:s1:k`);
        await place(`${prefix}:s1:k`);
        await cache.drop(["k"]);
        expect(await client.get(`${prefix}:s1:k`)).toBeNull();
      },
    );

    it("is a miss that is reported as CORRUPT, once, where cache errors are misses", async () => {
      const prefix = uniquePrefix();
      const nodes = new TestNodes([driver.single(url)], { prefix });
      const { warp, warnings } = nodes.first;
      await warp.setMany(new Map([1, 2, 3].map((index) => [`k:${index}`, index])));
      for (const key of ["k:1", "k:2", "k:3"]) await nodes.settle(key);
      await client.unlink(`${prefix}:s1:k:2`);
      await client.lpush(`${prefix}:s1:k:2`, "x");
      expect(await Promise.all([warp.get("k:1"), warp.get("k:2"), warp.get("k:3")])).toEqual([1, 2, 3]);
      expect(warnings.map(({ code }) => code)).toEqual(["CORRUPT"]);
      await nodes.settle("k:2");
      expect(warp.status().ports.sharedCache).toBe("up");
      expect(warnings.length).toBe(1);
      await nodes.close();
    });

    it("is CORRUPT for whoever asked for that key, and for nobody else, where cache errors surface", async () => {
      const prefix = uniquePrefix();
      const nodes = new TestNodes([driver.single(url)], { prefix, onCacheError: "reject" });
      const { warp } = nodes.first;
      await warp.set("k:1", 1);
      await warp.set("k:2", 2);
      await client.set(`${prefix}:s1:k:2`, "foreign");
      const [good, bad] = await Promise.allSettled([warp.get("k:1"), warp.get("k:2")]);
      expect(good).toEqual({ status: "fulfilled", value: 1 });
      expect(bad.status === "rejected" && WarpError.has(bad.reason, "CORRUPT")).toBe(true);
      expect(await warp.get("k:2")).toBe(2);
      await nodes.close();
    });

    it("is no epoch that anybody set", async () => {
      const prefix = uniquePrefix();
      const cache = new RedisCache(client, { prefix });
      await client.lpush(`${prefix}:e1`, "x");
      expect(await cache.epoch()).toBeUndefined();
      expect(await cache.epoch({ expected: undefined, next: "e" })).toBe("e");
    });
  });

  describe("compression", () => {
    const long = Buffer.from("all work and no play ".repeat(1_000));

    it("makes values above its size smaller in Redis, and leaves the others as they are", async () => {
      const prefix = uniquePrefix();
      const cache = new RedisCache(client, { prefix, compress: { aboveBytes: 1_000, level: 1 } });
      const noise = Buffer.from(Array.from({ length: 2_000 }, (_, index) => (index * index * 31 + (index >> 3)) & 255));
      const values = [long, long.subarray(0, 1_000), noise];
      const token = undefined;
      await cache.put(values.map((bytes, index) => ({ key: `${index}`, bytes, ttlMs: 60_000, token })));
      const sizes = await Promise.all(values.map((_, index) => client.strlen(`${prefix}:s1:${index}`)));
      expect(sizes[0]).toBeLessThan(long.length / 10);
      expect(sizes[1]).toBe(1_000 + 43);
      expect(sizes[2]).toBeLessThanOrEqual(2_000 + 43);
      // Whoever does not compress reads it too.
      const slots = await new RedisCache(client, { prefix }).read(["0", "1", "2", "none"], 1_000);
      expect(slots.map(({ bytes }) => bytes && Buffer.from(bytes))).toEqual([...values, undefined]);
      expect(slots[0]?.expiresInMs).toBeGreaterThan(0);
    });

    it("that was damaged in Redis is bytes that are no entry, and makes way for the next fill", async () => {
      const prefix = uniquePrefix();
      const cache = new RedisCache(client, { prefix, compress: { aboveBytes: 0 } });
      await cache.put([{ key: "k", bytes: long, ttlMs: 60_000, token: undefined }]);
      const held = (await client.getBuffer(`${prefix}:s1:k`)) as Buffer;
      held[held.length - 1] = (held[held.length - 1] as number) ^ 1;
      await client.set(`${prefix}:s1:k`, held);
      const [slot] = await cache.read(["k"], 1_000);
      expect(slot?.bytes).toEqual(new Uint8Array(0));
      expect(await cache.put([{ key: "k", bytes: long, ttlMs: 60_000, token: slot?.token }])).toEqual([true]);
      const [repaired] = await cache.read(["k"], 1_000);
      expect(Buffer.from(repaired?.bytes ?? [])).toEqual(long);
    });
  });
});
