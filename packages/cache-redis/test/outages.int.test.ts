import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { describeWithOwn } from "@warp/tests-services";
import { services } from "@warp/tests-services/servers";
import { RedisCache } from "../src/index.ts";
import { TestNodes, until } from "./nodes.ts";
import { drivers, type TestClient, uniquePrefix } from "./redis-clients.ts";

const unhandled: unknown[] = [];
const note = (reason: unknown): void => void unhandled.push(reason);
beforeAll(() => void process.on("unhandledRejection", note));
afterAll(() => {
  process.off("unhandledRejection", note);
  expect(unhandled).toEqual([]);
});

await describeWithOwn(services.redis, (server) => {
  const opened: TestNodes[] = [];
  const openNodes = (clients: readonly TestClient[], cacheDeadlineMs?: number): TestNodes => {
    const limit = cacheDeadlineMs === undefined ? {} : { cacheDeadlineMs };
    const nodes = new TestNodes(clients, { prefix: uniquePrefix(), ...limit });
    opened.push(nodes);
    return nodes;
  };
  afterEach(async () => {
    await server.thaw();
    await Promise.all(opened.splice(0).map((nodes) => nodes.close()));
  });

  describe.each(drivers)("with $name", ({ single }) => {
    it("a frozen server costs the callers of one deadline that deadline, and nobody after them anything", async () => {
      const nodes = openNodes([single(server.url)], 150);
      const { warp, calls } = nodes.first;
      await warp.set("k:1", "one");
      // Connecting may have taken longer than the deadline.
      await nodes.settle("k:1");
      await server.freeze();
      const before = calls();
      expect(await Promise.all([warp.get("k:1"), warp.get("k:1"), warp.find("k:2")])).toEqual([
        "one",
        "one",
        undefined,
      ]);
      expect(calls()).toBe(before + 1);
      for (let index = 0; index < 50; index += 1) expect(await warp.find(`k:${index + 10}`)).toBeUndefined();
      await warp.set("k:1", "two");
      // The breaker's own probes, every half second or more, are nobody's wait.
      expect(calls()).toBeLessThanOrEqual(before + 2);
      expect(warp.status().ports.sharedCache).not.toBe("up");
      await server.thaw();
      await until("the tier to be asked again", () => warp.status().ports.sharedCache === "up");
      expect(await warp.get("k:1")).toBe("two");
      await nodes.settle("k:1");
    });

    it("what was dropped while the server was frozen is not served when it comes back", async () => {
      const nodes = openNodes([single(server.url), single(server.url)], 150);
      await nodes.first.warp.set("k:1", "old");
      await nodes.settle("k:1");
      await server.freeze();
      await nodes.first.warp.set("k:1", "new");
      await server.thaw();
      await until("both to ask the tier again", () =>
        nodes.nodes.every(({ warp }) => warp.status().ports.sharedCache === "up"),
      );
      for (let round = 0; round < 20; round += 1)
        for (const { warp } of nodes.nodes) expect(await warp.get("k:1")).toBe("new");
    });

    it("a server that was killed and comes back with what it had saved serves nothing of that", async () => {
      const nodes = openNodes([single(server.url), single(server.url)], 1_000);
      await nodes.first.warp.set("k:1", "old");
      await nodes.settle("k:1");
      const probe = single(server.url);
      const [before, key] = [nodes.nodes.map(({ rollbacks }) => rollbacks()), "k:1"];
      await (probe as unknown as { save(): Promise<unknown> }).save();
      probe.disconnect();
      await nodes.first.warp.set(key, "new");
      await server.kill();
      expect(await nodes.second.warp.get(key)).toBe("new");
      await server.restart();
      await until("both to see a possible rollback", () =>
        nodes.nodes.every(({ rollbacks }, index) => rollbacks() > (before[index] as number)),
      );
      const [slot] = await nodes.second.cache.read([key], 1);
      expect(Buffer.from(slot?.bytes ?? []).toString("latin1")).toContain("old");
      for (const { warp } of nodes.nodes) expect(await warp.get(key)).toBe("new");
      await nodes.settle(key);
      for (const { warp } of nodes.nodes) expect(await warp.get(key)).toBe("new");
    });

    it.each([
      ["all defaults", {}],
      ["no offline queue and no retries", { enableOfflineQueue: false, maxRetriesPerRequest: 0 }],
      ["endless retries", { maxRetriesPerRequest: null, commandTimeout: 10_000 }],
    ])("calls made while it is down wait for it as long as they may, with %s", async (_, options) => {
      const client = single(server.url, options);
      const cache = new RedisCache(client, { prefix: uniquePrefix() });
      await cache.put([{ key: "k", bytes: Buffer.from("x"), ttlMs: 60_000, token: undefined }]);
      await server.kill();
      await until("the loss of the connection", () => client.status !== "ready");
      await expect(cache.read(["k"], 1_000, { timeoutMs: 20 })).rejects.toThrow("not connected");
      // Nobody waits for this one any more: it must not land when the server is back.
      const given = new AbortController();
      const late = cache.put([{ key: "late", bytes: Buffer.from("x"), ttlMs: 60_000, token: undefined }], {
        signal: given.signal,
      });
      given.abort();
      await expect(late).rejects.toThrow("not connected");
      const patient = cache.read(["k", "late"], 1_000, { timeoutMs: 30_000 });
      await server.restart();
      const slots = await patient;
      expect(slots.map(({ bytes }) => bytes)).toEqual([undefined, undefined]);
      client.disconnect();
    });
  });

  it("a client that is closed rejects at once, and makes no trouble", async () => {
    const { single } = drivers[0] as (typeof drivers)[number];
    const client = single(server.url, { lazyConnect: true });
    const cache = new RedisCache(client, { prefix: uniquePrefix() });
    expect(await cache.epoch()).toBeUndefined();
    client.disconnect();
    await until("its end", () => client.status === "end");
    await expect(cache.drop(["k"])).rejects.toThrow("closed");
  });
});
