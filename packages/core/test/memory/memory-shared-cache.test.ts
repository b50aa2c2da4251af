import { expect, it } from "@jest/globals";
import { MemorySharedCache, MemorySharedCacheData, type MemorySharedCacheOptions } from "../../src/index.ts";
import { ManualClock } from "./manual-clock.ts";

const setUp = (options: MemorySharedCacheOptions = {}) => {
  const clock = new ManualClock();
  const data = new MemorySharedCacheData();
  const cache = new MemorySharedCache({ clock, data, ...options });
  const read = async (key: string, reserveMs = 1_000) => {
    const [slot] = await cache.read([key], reserveMs);
    return { token: slot?.token ?? "", bytes: slot?.bytes && [...slot.bytes] };
  };
  const put = async (key: string, byte: number, token?: string) => {
    const [landed] = await cache.put([{ key, bytes: new Uint8Array([byte]), ttlMs: 60_000, token }]);
    return landed;
  };
  return { clock, data, cache, read, put };
};

it("forgets the oldest slot when it is full, and its token", async () => {
  const { data, read, put } = setUp({ maxEntries: 3 });
  const { token } = await read("a");
  for (const key of ["b", "c", "d"]) await put(key, 1);
  expect([...data.slots.keys()]).toEqual(["b", "c", "d"]);
  expect(await put("a", 2, token)).toBe(false);
  await put("b", 3);
  await put("e", 4);
  expect([...data.slots.keys()]).toEqual(["d", "b", "e"]);
});

it("reserves for whoever joins a token as long as for whoever left it", async () => {
  const { clock, read, put } = setUp();
  const first = await read("k", 1_000);
  clock.advance(900);
  const second = await read("k", 1_000);
  expect(second.token).toBe(first.token);
  clock.advance(900);
  expect(await put("k", 1, second.token)).toBe(true);
});

it("rejects every call while it is disconnected, and reports a possible rollback when it is back", async () => {
  const { cache, read, put } = setUp();
  let rollbacks = 0;
  const cancel = cache.onRollback(() => {
    rollbacks++;
  });
  await put("k", 1);
  cache.disconnect();
  await expect(cache.read(["k"], 1)).rejects.toThrow("disconnected");
  await expect(put("k", 2)).rejects.toThrow("disconnected");
  await expect(cache.drop(["k"])).rejects.toThrow("disconnected");
  await expect(cache.epoch()).rejects.toThrow("disconnected");
  cache.reconnect();
  expect([rollbacks, (await read("k")).bytes]).toEqual([1, [1]]);
  cancel();
  cache.reconnect();
  expect(rollbacks).toBe(1);
});

it("rejects a call whose answer was on its way when the connection broke, though it took effect", async () => {
  const { cache, read, put } = setUp({
    pause: (stage) => {
      if (stage === "reply" && breaking) cache.disconnect();
      return undefined;
    },
  });
  let breaking = true;
  await expect(put("k", 1)).rejects.toThrow("disconnected");
  breaking = false;
  cache.reconnect();
  expect((await read("k")).bytes).toEqual([1]);
});

it("loses a call before its effect or after it, as its pause says", async () => {
  const { clock, data, put, read } = setUp();
  const losing = (lost: string) =>
    new MemorySharedCache({
      clock,
      data,
      pause: async (stage) => {
        if (stage === lost) throw new Error(`${stage} lost`);
      },
    });
  await put("k", 1);
  await expect(losing("request").drop(["k"])).rejects.toThrow("request lost");
  expect((await read("k")).bytes).toEqual([1]);
  await expect(losing("reply").drop(["k"])).rejects.toThrow("reply lost");
  expect((await read("k")).bytes).toBeUndefined();
});

it("goes back in time as a failover does, tokens and epoch too, and forgets everything as a restart does", async () => {
  const { data, cache, read, put } = setUp();
  await cache.epoch({ expected: undefined, next: "one" });
  await put("k", 1);
  const { token } = await read("k");
  const restore = data.snapshot();
  await put("k", 2);
  await put("new", 3);
  await cache.epoch({ expected: "one", next: "two" });
  restore();
  expect(await read("k")).toEqual({ token, bytes: [1] });
  expect([(await read("new")).bytes, await cache.epoch()]).toEqual([undefined, "one"]);
  data.clear();
  expect([(await read("k")).bytes, await cache.epoch()]).toEqual([undefined, undefined]);
});
