import { describe, expect, it } from "@jest/globals";
import { batchesOf } from "../src/batches.ts";
import { RedisCache, type RedisCacheOptions } from "../src/index.ts";
import { keySlot } from "../src/key-slot.ts";
import { script } from "../src/script.ts";
import { Turns } from "../src/turns.ts";
import { FakeClient } from "./fake-client.ts";

describe("options of RedisCache", () => {
  it.each<[string, unknown]>([
    ["prefix", { prefix: "" }],
    ["prefix", { prefix: 1 }],
    ["prefix", { prefix: "a:s1:b" }],
    ["prefix", { prefix: "é".repeat(129) }],
    ["prefix", { prefix: "\ud800" }],
    ["compress.aboveBytes", { compress: { aboveBytes: -1 } }],
    ["compress.aboveBytes", { compress: {} }],
    ["compress.level", { compress: { aboveBytes: 0, level: 10 } }],
  ])("are refused by name: %s of %j", (name, options) => {
    const make = (): RedisCache => new RedisCache(new FakeClient(), options as RedisCacheOptions);
    expect(make).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringContaining(name) }));
  });

  it.each([undefined, { status: "ready" }])("take no client of another kind, as %p", (client) => {
    const make = (): RedisCache => new RedisCache(client as never);
    expect(make).toThrow(expect.objectContaining({ code: "UNSUPPORTED" }));
  });
});

describe("calls to Redis", () => {
  it("are one command however many keys, up to 500", async () => {
    const client = new FakeClient();
    const cache = new RedisCache(client);
    await cache.drop(Array.from({ length: 500 }, (_, index) => `k${index}`));
    expect(client.sent.length).toBe(1);
    await cache.drop(Array.from({ length: 501 }, (_, index) => `k${index}`));
    expect(client.sent.length).toBe(3);
    expect(client.sent[2]).toEqual(["warp:s1:k500", "drop"]);
  });

  it("are cut where the values come to a mebibyte, and at a Cluster's slots, in order", () => {
    const bytesOf = (item: number): number => item;
    const cut = batchesOf([400_000, 600_000, 100_000, 2_000_000, 1], { slotOf: undefined, bytesOf });
    expect(cut.map(({ places }) => places)).toEqual([[0, 1], [2], [3], [4]]);
    const bySlot = batchesOf([1, 2, 3, 4, 5], { slotOf: (item) => item % 2, bytesOf });
    expect(bySlot.map(({ slot, places }) => [slot, places])).toEqual([
      [1, [0, 2, 4]],
      [0, [1, 3]],
    ]);
  });

  it("bring chance of its own with each command, since servers may have one time", async () => {
    const client = new FakeClient();
    client.isCluster = true;
    client.answer = (keys) => [Buffer.from("a 0"), 0, keys.map(() => Buffer.alloc(35, 0xf8))];
    const cache = new RedisCache(client);
    await cache.read(["a", "b"], 1_000);
    client.answer = (keys) => [Buffer.from("a 0"), Buffer.from("1".repeat(keys.length))];
    const put = { bytes: Buffer.from("x"), ttlMs: 1_000, token: undefined };
    await cache.put([
      { ...put, key: "a" },
      { ...put, key: "b" },
    ]);
    expect(new Set(client.sent.map(([, , chance]) => chance)).size).toBe(4);
  });

  it("go to the slot that the Cluster specification computes, with the hash tags of keys and of the client's prefix", async () => {
    // Values of the specification and of a server's CLUSTER KEYSLOT.
    expect(keySlot("123456789")).toBe(0x31c3);
    expect(keySlot("foo")).toBe(12_182);
    expect(keySlot("{user1000}.following")).toBe(keySlot("user1000"));
    expect(keySlot("foo{}{bar}")).not.toBe(keySlot("bar"));
    expect(keySlot("foo{{bar}}zap")).toBe(keySlot("{bar"));
    expect(keySlot("foo{bar}{zap}")).toBe(keySlot("bar"));
    const client = new FakeClient();
    client.isCluster = true;
    client.options = { keyPrefix: "{all}" };
    await new RedisCache(client).drop(["a", "b", "c"]);
    expect(client.sent.length).toBe(1);
    client.options = {};
    await new RedisCache(client).drop(["a", "b", "c"]);
    expect(client.sent.length).toBe(4);
  });

  it("load the script where the server does not know it, and reject what else fails", async () => {
    const client = new FakeClient();
    const cache = new RedisCache(client);
    const refusals = ["NOSCRIPT No matching script. Please use EVAL."];
    client.answer = () => {
      const refusal = refusals.shift();
      if (refusal !== undefined) throw new Error(refusal);
      return [Buffer.from("a 0"), Buffer.from("e1")];
    };
    expect(await cache.epoch()).toBe("e1");
    refusals.push("READONLY You can't write against a read only replica.");
    await expect(cache.epoch()).rejects.toThrow("READONLY");
    expect(script.sha).toMatch(/^[0-9a-f]{40}$/);
  });

  it("are not sent once nobody waits for them", async () => {
    const client = new FakeClient();
    const cache = new RedisCache(client);
    await expect(cache.drop(["k"], { signal: AbortSignal.abort() })).rejects.toThrow("given up");
    client.status = "reconnecting";
    const controller = new AbortController();
    const aborted = cache.drop(["k"], { signal: controller.signal });
    const late = cache.drop(["k"], { timeoutMs: 5 });
    const patient = cache.drop(["patient"], { timeoutMs: 60_000 });
    controller.abort();
    await expect(aborted).rejects.toThrow("not connected (reconnecting)");
    await expect(late).rejects.toThrow("not connected (reconnecting)");
    client.become("ready");
    await patient;
    expect(client.sent).toEqual([["warp:s1:patient", "drop"]]);
    expect(client.eventNames()).toEqual([]);
  });

  it("connect a client that nobody has used yet, and end with one that was closed", async () => {
    const client = new FakeClient();
    client.status = "wait";
    const cache = new RedisCache(client);
    const first = cache.drop(["k"]);
    expect(client.connects).toBe(1);
    client.become("ready");
    await first;
    client.status = "connecting";
    const waiting = cache.drop(["k"]);
    client.become("end");
    await expect(waiting).rejects.toThrow("closed");
    await expect(cache.drop(["k"])).rejects.toThrow("closed");
  });

  it("keep their order, though a put takes time to be compressed", async () => {
    const client = new FakeClient();
    client.answer = (keys) => [Buffer.from("a 0"), Buffer.from("1".repeat(keys.length))];
    const cache = new RedisCache(client, { compress: { aboveBytes: 10 } });
    const put = (key: string, size: number): Promise<unknown> =>
      cache.put([{ key, bytes: new Uint8Array(size), ttlMs: 1_000, token: undefined }]);
    await Promise.all([put("first", 5_000_000), put("second", 1), cache.drop(["third"]), put("fourth", 100)]);
    expect(client.sent.map(([key]) => key)).toEqual([
      "warp:s1:first",
      "warp:s1:second",
      "warp:s1:third",
      "warp:s1:fourth",
    ]);
  });

  it("wait their turn behind one that cannot be prepared", async () => {
    const turns = new Turns();
    const order: string[] = [];
    const send = async (name: string): Promise<void> => void order.push(name);
    const failing = turns.take(Promise.reject(new Error("no memory")), send);
    const next = turns.take("next", send);
    await expect(failing).rejects.toThrow("no memory");
    await next;
    expect(order).toEqual(["next"]);
    await turns.take("last", send);
    expect(order).toEqual(["next", "last"]);
  });
});
