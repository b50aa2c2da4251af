import { afterAll, describe, expect, it } from "@jest/globals";
import { describeWith, describeWithOwn, type FaultProxy, startFaultProxy } from "@warp/tests-services";
import { services } from "@warp/tests-services/servers";
import { RedisCache } from "../src/index.ts";
import { TestNodes, until } from "./nodes.ts";
import { driver, drivers, uniquePrefix } from "./redis-clients.ts";

const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
const textOf = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString();

await describeWith("redis", (url) => {
  const proxies: FaultProxy[] = [];
  afterAll(() => Promise.all(proxies.map((proxy) => proxy.stop())));

  it("of two writers of one key neither leaves a value in the tier that the store no longer has", async () => {
    const nodes = new TestNodes([driver.single(url), driver.single(url)], { prefix: uniquePrefix() });
    await nodes.first.warp.set("k:1", "first");
    await nodes.settle("k:1");
    for (const round of range(60)) {
      const readers = range(10).map((index) => (index % 2 === 0 ? nodes.first : nodes.second).warp.get("k:1"));
      await Promise.all([
        nodes.first.warp.set("k:1", `a${round}`),
        nodes.second.warp.set("k:1", `b${round}`),
        ...readers,
      ]);
      const [one, other] = [await nodes.first.warp.get("k:1"), await nodes.second.warp.get("k:1")];
      expect(one).toBe(other);
      const record = await nodes.store.get("k:1");
      expect(typeof record === "object" && textOf(record.value)).toContain(String(one));
    }
    await nodes.close();
  });

  it("a filler whose put is held up until after a write puts nothing, and neither does one sent again", async () => {
    const { hostname, port } = new URL(url);
    const proxy = await startFaultProxy({ host: hostname, port: Number(port) });
    proxies.push(proxy);
    const [held, other] = [driver.single(proxy.url(url)), driver.single(url)];
    const prefix = uniquePrefix();
    const [filler, writer] = [new RedisCache(held, { prefix }), new RedisCache(other, { prefix })];
    const late = { key: "k", bytes: Buffer.from("stale"), ttlMs: 60_000 };
    const [slot] = await filler.read(["k"], 60_000);
    proxy.drop();
    const put = filler.put([{ ...late, token: slot?.token }]);
    await writer.drop(["k"]);
    const [after] = await writer.read(["k"], 60_000);
    expect(await writer.put([{ ...late, bytes: Buffer.from("new"), token: after?.token }])).toEqual([true]);
    proxy.heal();
    expect(await put).toEqual([false]);
    expect(textOf((await writer.read(["k"], 1))[0]?.bytes)).toBe("new");
    // The put arrives and its answer does not: ioredis sends it again on the next connection.
    const [now] = await filler.read(["k"], 60_000);
    proxy.halfOpen("toClient");
    const again = filler.put([{ ...late, token: now?.token }]);
    await until("the put", async () => textOf((await writer.read(["k"], 1))[0]?.bytes) === "stale");
    await writer.drop(["k"]);
    proxy.cut();
    proxy.heal();
    expect(await again).toEqual([false]);
    expect((await writer.read(["k"], 1))[0]?.bytes).toBeUndefined();
  });

  it("a read that a client sends again after a reconnect does not bring its token back", async () => {
    const client = driver.single(url);
    // The same call twice, as a resend is, with a drop between.
    const prefix = uniquePrefix();
    const random = { next: () => 0, id: () => "the-same-twenty-two-ch" };
    const cache = new RedisCache(client, { prefix, random });
    const [first] = await cache.read(["k"], 60_000);
    await cache.drop(["k"]);
    const [second] = await cache.read(["k"], 60_000);
    expect(second?.token).not.toBe(first?.token);
    expect(await cache.put([{ key: "k", bytes: Buffer.from("stale"), ttlMs: 60_000, token: first?.token }])).toEqual([
      false,
    ]);
    client.disconnect();
  });

  describe.each(drivers)("a call of ten thousand keys ($name)", ({ single }) => {
    it("is answered in its order, by commands that leave room for others", async () => {
      const client = single(url);
      const cache = new RedisCache(client, { prefix: uniquePrefix() });
      const keys = range(10_000).map((index) => `k${index}`);
      const slots = await cache.read(keys, 60_000);
      expect(new Set(slots.map(({ token }) => token)).size).toBe(10_000);
      const landed = await cache.put(
        keys.map((key, index) => ({ key, bytes: Buffer.from(key), ttlMs: 60_000, token: slots[index]?.token })),
      );
      expect(landed.every(Boolean)).toBe(true);
      const found = await cache.read(keys, 1);
      expect(found.map(({ bytes }) => textOf(bytes))).toEqual(keys);
      await cache.drop(keys);
      expect((await cache.read(keys.slice(-3), 1)).map(({ bytes }) => bytes)).toEqual([
        undefined,
        undefined,
        undefined,
      ]);
      client.disconnect();
    });
  });
});

await describeWithOwn(services.redis, (server) => {
  const admin = driver.single(server.url);
  afterAll(() => admin.disconnect());

  it("a server that was told to forget its scripts is told them again", async () => {
    const client = driver.single(server.url);
    const cache = new RedisCache(client, { prefix: uniquePrefix() });
    const put = (): Promise<readonly boolean[]> =>
      cache.put([{ key: "k", bytes: Buffer.from("x"), ttlMs: 60_000, token: undefined }]);
    expect(await put()).toEqual([true]);
    await admin.call("SCRIPT", "FLUSH");
    expect(textOf((await cache.read(["k"], 1))[0]?.bytes)).toBe("x");
    await admin.call("SCRIPT", "FLUSH");
    expect(await Promise.all([put(), put()])).toEqual([[true], [true]]);
    await admin.call("SCRIPT", "FLUSH");
    await cache.drop(["k"]);
    expect(await cache.epoch()).toBeUndefined();
    client.disconnect();
  });

  it("calls that a pause of the server holds up come through in order, and are right", async () => {
    const client = driver.single(server.url);
    const cache = new RedisCache(client, { prefix: uniquePrefix() });
    await cache.put([{ key: "k", bytes: Buffer.from("x"), ttlMs: 60_000, token: undefined }]);
    await admin.call("CLIENT", "PAUSE", 400, "ALL");
    const [before, , after] = await Promise.all([
      cache.read(["k"], 1_000),
      cache.drop(["k"]),
      cache.read(["k"], 1_000),
    ]);
    expect(textOf(before[0]?.bytes)).toBe("x");
    expect(after[0]?.bytes).toBeUndefined();
    client.disconnect();
  });

  it("a token stands as long as the most patient of its readers asked", async () => {
    const client = driver.single(server.url);
    const prefix = uniquePrefix();
    const cache = new RedisCache(client, { prefix });
    const left = async (): Promise<number> => Number(await admin.call("PTTL", `${prefix}:s1:k`));
    await cache.read(["k"], 10_000);
    await cache.read(["k"], 60_000.5);
    expect(await left()).toBeGreaterThan(10_000);
    await cache.read(["k"], 10_000);
    expect(await left()).toBeGreaterThan(10_000);
    client.disconnect();
  });

  it("a life ends by the server's clock, however late it was sent", async () => {
    const client = driver.single(server.url);
    const prefix = uniquePrefix();
    const cache = new RedisCache(client, { prefix });
    await admin.call("CLIENT", "PAUSE", 200, "ALL");
    await cache.put([{ key: "k", bytes: Buffer.from("x"), ttlMs: 5_000, token: undefined }]);
    const [slot] = await cache.read(["k"], 1_000);
    const left = Number(await admin.call("PTTL", `${prefix}:s1:k`));
    expect(left).toBeGreaterThan(0);
    expect(slot?.expiresInMs).toBeGreaterThanOrEqual(left);
    expect(slot?.expiresInMs).toBeLessThanOrEqual(5_000);
    client.disconnect();
  });
});
