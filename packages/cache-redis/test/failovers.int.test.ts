import { afterAll, afterEach, describe, expect, it } from "@jest/globals";
import { describeWithOwn } from "@warp/tests-services";
import { type RunningService, type Server, services } from "@warp/tests-services/servers";
import type { RedisCache } from "../src/index.ts";
import { keySlot } from "../src/key-slot.ts";
import { TestNodes, until } from "./nodes.ts";
import { type Driver, driver, drivers, type TestClient, uniquePrefix } from "./redis-clients.ts";

const admins: TestClient[] = [];
const opened: TestNodes[] = [];

/** A connection to one server, for what an operator would do there. */
const adminOf = ({ url }: RunningService): TestClient => {
  const admin = driver.single(url);
  admins.push(admin);
  return admin;
};

const openNodes = (clients: readonly TestClient[], prefix = uniquePrefix()): TestNodes => {
  const nodes = new TestNodes(clients, { prefix });
  opened.push(nodes);
  return nodes;
};

afterEach(() => Promise.all(opened.splice(0).map((nodes) => nodes.close())));
afterAll(() => {
  for (const admin of admins) admin.disconnect();
});

const replicationOf = async (admin: TestClient): Promise<string> => String(await admin.call("INFO", "replication"));
const addressOf = ({ url }: RunningService): [string, string] => [new URL(url).hostname, new URL(url).port];

/** Lets a replica hear nothing more of its master, which goes on serving those who are connected to it. */
const cutOff = async (master: TestClient, replica: TestClient): Promise<void> => {
  await master.call("CONFIG", "SET", "requirepass", "no replica knows this");
  await master.call("CLIENT", "KILL", "TYPE", "replica");
  await until("the replica to lose its master", async () =>
    (await replicationOf(replica)).includes("master_link_status:down"),
  );
};

/** What `redis-cli --cluster reshard` does for each slot. */
const moveSlot = async (slot: number, from: RunningService, to: RunningService): Promise<void> => {
  const [source, target] = [adminOf(from), adminOf(to)];
  const [sourceId, targetId] = [
    String(await source.call("CLUSTER", "MYID")),
    String(await target.call("CLUSTER", "MYID")),
  ];
  await target.call("CLUSTER", "SETSLOT", slot, "IMPORTING", sourceId);
  await source.call("CLUSTER", "SETSLOT", slot, "MIGRATING", targetId);
  for (const key of (await source.call("CLUSTER", "GETKEYSINSLOT", slot, 100)) as string[])
    await source.call("MIGRATE", ...addressOf(to), key, 0, 5_000);
  // The new owner first, so that the slot is never without one.
  for (const admin of [target, source]) await admin.call("CLUSTER", "SETSLOT", slot, "NODE", targetId);
};

const heldText = async (cache: RedisCache, key: string): Promise<string> =>
  Buffer.from((await cache.read([key], 1))[0]?.bytes ?? []).toString("latin1");

const expectNew = async (nodes: TestNodes, key: string): Promise<void> => {
  for (let round = 0; round < 10; round += 1)
    for (const { warp } of nodes.nodes) expect(await warp.get(key)).toBe("new");
};

await describeWithOwn(services.redis, (server) => {
  describe("a server that becomes a replica of its past and then a master again, while no connection breaks,", () => {
    it("answers nothing as a replica, is reported before its answer is believed, and nothing old is served", async () => {
      const past = await services.redis.start();
      try {
        const [here, there] = [adminOf(server), adminOf(past)];
        const nodes = openNodes([driver.single(server.url), driver.single(server.url)]);
        await nodes.first.warp.set("k:1", "old");
        await nodes.settle("k:1");
        await there.call("REPLICAOF", ...addressOf(server));
        await until("the copy", async () => (await replicationOf(there)).includes("master_link_status:up"));
        await there.call("REPLICAOF", "NO", "ONE");
        await nodes.first.warp.set("k:1", "new");
        await here.call("REPLICAOF", ...addressOf(past));
        await until("the past", async () => (await replicationOf(here)).includes("master_link_status:up"));
        const before = nodes.nodes.map(({ rollbacks }) => rollbacks());
        await expect(nodes.first.cache.read(["k:1"], 1_000)).rejects.toThrow("READONLY");
        await expect(nodes.first.cache.drop(["k:1"])).rejects.toThrow("READONLY");
        await here.call("REPLICAOF", "NO", "ONE");
        expect(nodes.nodes.map(({ rollbacks }) => rollbacks())).toEqual(before);
        // No probe first: what serves the value is what notices.
        expect(await nodes.second.warp.get("k:1")).toBe("new");
        expect(nodes.second.rollbacks()).toBe((before[1] as number) + 1);
        await expectNew(nodes, "k:1");
      } finally {
        await past.stop();
      }
    });
  });
});

const bySentinel = async ({ name, sentinel }: Driver): Promise<void> =>
  describeWithOwn(services["redis-sentinel"], ({ url, master, replica }) => {
    it(`a failover by Sentinel to a replica that lags is reported, and nothing old is served (${name})`, async () => {
      const nodes = openNodes([sentinel(url), sentinel(url)]);
      await nodes.first.warp.set("k:1", "old");
      await nodes.settle("k:1");
      const behind = adminOf(replica);
      await until("the replica's copy", async () => Number(await behind.call("DBSIZE")) >= 2);
      await cutOff(adminOf(master), behind);
      await nodes.first.warp.set("k:1", "new");
      const before = nodes.nodes.map(({ rollbacks }) => rollbacks());
      await master.kill();
      await until("the switch", () =>
        nodes.nodes.every(({ rollbacks }, index) => rollbacks() > (before[index] as number)),
      );
      expect(await heldText(nodes.second.cache, "k:1")).toContain("old");
      await expectNew(nodes, "k:1");
      await nodes.settle("k:1");
      await expectNew(nodes, "k:1");
    });
  });

for (const one of drivers) await bySentinel(one);

await describeWithOwn(services["redis-cluster"], ({ url, masters, replicas }) => {
  /** A key of Warp whose slot the nth master has, and its slot. */
  const keyOf = (master: number, prefix: string): [string, number] => {
    for (let index = 0; ; index += 1) {
      const slot = keySlot(`${prefix}:s1:k:${index}`);
      if (Math.floor((slot * 3) / 16_384) === master) return [`k:${index}`, slot];
    }
  };

  it("a slot that was given to another master is reported, before its answer is believed", async () => {
    const prefix = uniquePrefix();
    const nodes = openNodes([driver.cluster(url), driver.cluster(url)], prefix);
    const [key, slot] = keyOf(1, prefix);
    await nodes.first.warp.set(key, "old");
    await nodes.settle(key);
    const before = nodes.second.rollbacks();
    await moveSlot(slot, masters[1] as RunningService, masters[2] as RunningService);
    await nodes.first.warp.set(key, "new");
    await expectNew(nodes, key);
    expect(nodes.second.rollbacks()).toBeGreaterThan(before);
    await nodes.settle(key);
    await expectNew(nodes, key);
  });

  it("a promoted replica that lags is reported though no connection broke, and nothing old is served", async () => {
    const prefix = uniquePrefix();
    const nodes = openNodes([driver.cluster(url), driver.cluster(url)], prefix);
    const [key] = keyOf(0, prefix);
    await nodes.first.warp.set(key, "old");
    await nodes.settle(key);
    const [master, replica] = [adminOf(masters[0] as Server), adminOf(replicas[0] as Server)];
    await until("the replica's copy", async () => Number(await replica.call("DBSIZE")) >= 1);
    await cutOff(master, replica);
    await nodes.first.warp.set(key, "new");
    const before = nodes.nodes.map(({ rollbacks }) => rollbacks());
    await replica.call("CLUSTER", "FAILOVER", "TAKEOVER");
    await until("the promotion", async () => (await replicationOf(replica)).includes("role:master"));
    await until("the old master's yielding", async () => (await replicationOf(master)).includes("role:slave"));
    expect(await nodes.second.warp.get(key)).toBe("new");
    await expectNew(nodes, key);
    for (const [index, { rollbacks }] of nodes.nodes.entries())
      expect(rollbacks()).toBeGreaterThan(before[index] as number);
    await nodes.settle(key);
    await expectNew(nodes, key);
  });

  it("a master that dies is reported by the loss of its connection, and its replica takes over", async () => {
    const prefix = uniquePrefix();
    const nodes = openNodes([driver.cluster(url), driver.cluster(url)], prefix);
    const [key] = keyOf(2, prefix);
    await nodes.first.warp.set(key, "old");
    await nodes.settle(key);
    const before = nodes.nodes.map(({ rollbacks }) => rollbacks());
    await (masters[2] as Server).kill();
    await until("the loss", () => nodes.nodes.every(({ rollbacks }, index) => rollbacks() > (before[index] as number)));
    await nodes.first.warp.set(key, "new");
    await expectNew(nodes, key);
    await nodes.settle(key);
    await expectNew(nodes, key);
  });
});
