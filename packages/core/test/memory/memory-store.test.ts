import { describe, expect, it } from "@jest/globals";
import {
  type HistoryRetention,
  MemoryStore,
  MemoryStoreData,
  type MemoryStoreOptions,
  type Pause,
  rememberedOperations,
  type StoredRecord,
} from "../../src/index.ts";
import { ManualClock } from "./manual-clock.ts";

const day = 86_400_000;
const bytes = (text: string) => new TextEncoder().encode(text);
const text = (record: StoredRecord | "unchanged" | undefined) =>
  record === undefined || record === "unchanged" ? record : record.value && new TextDecoder().decode(record.value);

interface Write {
  readonly ttlMs?: number;
  readonly history?: HistoryRetention;
}

/** A store on a clock moved by hand, and writers that read what stands first. */
const setUp = (options: MemoryStoreOptions = {}) => {
  const clock = new ManualClock();
  const data = new MemoryStoreData();
  const store = new MemoryStore({ clock, data, ...options });
  const calm = new MemoryStore({ clock, data });
  let operations = 0;
  const write = async (key: string, value: string | undefined, { ttlMs, history }: Write = {}) => {
    const current = await calm.get(key);
    const base = {
      key,
      expected: current === "unchanged" ? undefined : current?.revision,
      timestamp: { micros: 0, node: "a" },
      history,
    };
    operations++;
    const [record] = await calm.commit(`op-${operations}`, [
      value === undefined ? { kind: "delete", ...base } : { kind: "put", ...base, value: bytes(value), ttlMs },
    ]);
    return record as StoredRecord;
  };
  return { clock, data, store, write };
};

describe("pause", () => {
  const losing =
    (lost: string): Pause =>
    async (stage) => {
      if (stage === lost) throw new Error(`${stage} lost`);
    };
  const mutation = { key: "k", expected: undefined, timestamp: { micros: 0, node: "a" }, history: undefined } as const;

  it("that rejects a request leaves everything as it was", async () => {
    const { store, data } = setUp({ pause: losing("request") });
    await expect(store.commit("op", [{ kind: "delete", ...mutation }])).rejects.toThrow("request lost");
    await expect(store.get("k")).rejects.toThrow("request lost");
    await expect(store.getMany(["k"])).rejects.toThrow("request lost");
    await expect(store.getAt("k", 0)).rejects.toThrow("request lost");
    await expect(store.now()).rejects.toThrow("request lost");
    await expect(store.keys("")[Symbol.asyncIterator]().next()).rejects.toThrow("request lost");
    expect(data.size).toBe(0);
  });

  it("that rejects a reply leaves the effect, and hides a refusal too", async () => {
    const { store, data } = setUp({ pause: losing("reply") });
    await expect(store.commit("op", [{ kind: "delete", ...mutation }])).rejects.toThrow("reply lost");
    expect(data.current("k")?.operations).toEqual(["op"]);
    await expect(store.commit("again", [{ kind: "delete", ...mutation }])).rejects.toThrow("reply lost");
    expect(data.current("k")?.operations).toEqual(["op"]);
    await expect(store.keys("")[Symbol.asyncIterator]().next()).rejects.toThrow("reply lost");
  });

  it("comes before the effect, and the caller's bytes are its own meanwhile", async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { store, data } = setUp({ pause: (stage) => (stage === "request" ? held : undefined) });
    const value = bytes("x");
    const committed = store.commit("op", [{ kind: "put", ...mutation, value, ttlMs: undefined }]);
    value.fill(0);
    expect(data.size).toBe(0);
    release();
    expect(text((await committed)[0])).toBe("x");
  });
});

describe("tombstones", () => {
  it("are removed once they are a day old, and values never", async () => {
    const { clock, data, store, write } = setUp();
    await write("deleted", "x");
    await write("deleted", undefined);
    await write("expiring", "x", { ttlMs: 1_000 });
    await write("kept", "x");
    clock.advance(day - 1);
    expect(store.reap()).toBe(0);
    clock.advance(1);
    expect(store.reap()).toBe(1);
    expect(data.current("deleted")).toBeUndefined();
    clock.advance(1_000);
    expect(store.reap()).toBe(1);
    expect([data.size, text(await store.get("kept"))]).toEqual([1, "x"]);
  });

  it("do not gather while somebody writes, nor do expired values", async () => {
    const { clock, data, write } = setUp({});
    let most = 0;
    for (let index = 0; index < 5_000; index++) {
      if (index % 2 === 0) await write(`k${index}`, undefined);
      else await write(`k${index}`, "x", { ttlMs: 60_000 });
      // A hundred keys a day.
      clock.advance(day / 100);
      most = Math.max(most, data.size);
    }
    expect(most).toBeLessThan(250);
  });

  it("leave the dates of a key behind when they go: it comes back later, whatever the clock says", async () => {
    const { clock, store, write } = setUp();
    await write("k", "x");
    const gone = await write("k", undefined);
    clock.advance(day);
    expect(store.reap()).toBe(1);
    clock.wall -= 2 * day;
    const back = await write("k", "y");
    expect(back.committedAt).toBe(gone.committedAt);
    expect(back.timestamp.micros).toBeGreaterThan(gone.timestamp.micros);
  });

  it("stay as long as a version before them is kept", async () => {
    const { clock, data, store, write } = setUp();
    const history = { versions: undefined, maxAgeMs: 10 * day };
    await write("k", "x", { history });
    const written = clock.now();
    clock.advance(1_000);
    await write("k", undefined, { history });
    clock.advance(9 * day);
    expect([store.reap(), text(await store.getAt("k", written))]).toEqual([0, "x"]);
    clock.advance(day);
    expect([store.reap(), data.size]).toEqual([1, 0]);
  });
});

describe("history", () => {
  it("is unknown, not absent, before a removed record, and absent after it", async () => {
    const { clock, store, write } = setUp();
    await write("k", "x");
    clock.advance(1_000);
    const { committedAt } = await write("k", undefined);
    clock.advance(day);
    store.reap();
    await expect(store.getAt("k", committedAt - 1)).rejects.toMatchObject({ code: "HISTORY_UNAVAILABLE", key: "k" });
    expect(await store.getAt("k", committedAt)).toBeUndefined();
  });

  it("lets go of an expired value's bytes at once where none is kept", async () => {
    const { clock, data, store, write } = setUp();
    const { committedAt } = await write("k", "x", { ttlMs: 1_000 });
    clock.advance(1_000);
    expect(text(await store.getAt("k", committedAt))).toBe("x");
    store.reap();
    expect(data.current("k")?.value).toBeUndefined();
    await expect(store.getAt("k", committedAt)).rejects.toMatchObject({ code: "HISTORY_UNAVAILABLE" });
    expect(await store.getAt("k", committedAt + 1_000)).toMatchObject({ revision: "op-1", value: undefined });
    expect(await store.get("k")).toMatchObject({ revision: "op-1", value: undefined });
  });

  it("keeps an expired value as long as it keeps a superseded one", async () => {
    const { clock, store, write } = setUp();
    const { committedAt } = await write("k", "x", { ttlMs: 1_000, history: { versions: 3, maxAgeMs: 5_000 } });
    clock.advance(5_999);
    store.reap();
    expect(text(await store.getAt("k", committedAt))).toBe("x");
    clock.advance(1);
    store.reap();
    await expect(store.getAt("k", committedAt)).rejects.toMatchObject({ code: "HISTORY_UNAVAILABLE" });
  });
});

describe("a foreign write", () => {
  it("moves revision and timestamp on, so that a commit on what stood before is refused", async () => {
    const { clock, store, write } = setUp();
    clock.wall += 5_000;
    const before = await write("k", "x", { ttlMs: 1_000 });
    clock.wall -= 5_000;
    store.changeOutside("k", bytes("y"));
    const after = (await store.get("k")) as StoredRecord;
    expect(after).toMatchObject({ committedAt: before.committedAt, expiresAt: undefined });
    expect(after.timestamp).toEqual({ micros: before.timestamp.micros + 1, node: "" });
    expect(after.operations).toEqual([after.revision, before.revision]);
    const late = { kind: "delete", key: "k", expected: before.revision, timestamp: before.timestamp } as const;
    await expect(store.commit("late", [{ ...late, history: undefined }])).rejects.toMatchObject({ code: "CONFLICT" });
  });

  it("goes on with the key's history, and deletes only what there is", async () => {
    const { clock, data, store, write } = setUp();
    store.changeOutside("never written", undefined);
    expect(data.size).toBe(0);
    await write("k", "x", { history: { versions: 2, maxAgeMs: undefined } });
    const written = clock.now();
    clock.advance(10);
    store.changeOutside("k", undefined);
    expect(text(await store.getAt("k", written))).toBe("x");
    expect(await store.getAt("k", clock.now())).toMatchObject({ value: undefined });
  });

  it("is told to the watchers of every store of the data, and never before it returns", async () => {
    const { clock, data, store, write } = setUp();
    const told: string[] = [];
    const watcher = (name: string) => ({
      onChange: (keys: readonly string[]) => void told.push(`${name}: ${keys.join()}`),
      onGap: () => void told.push(`${name}: gap`),
    });
    const deaf = new MemoryStore({ clock, data, pause: async () => Promise.reject(new Error("lost")) });
    await store.watch(watcher("one"));
    const end = await store.watch(watcher("two"));
    await deaf.watch(watcher("deaf"));
    await end();
    store.changeOutside("k", bytes("x"));
    expect(told).toEqual([]);
    await write("k", "from Warp");
    await new Promise((resolve) => setImmediate(resolve));
    expect(told.sort()).toEqual(["deaf: gap", "one: k"]);
  });
});

it("remembers the ids of the last operations, newest first", async () => {
  const { write } = setUp();
  let record = await write("k", "0");
  for (let index = 1; index < 40; index++) record = await write("k", String(index));
  expect(record.operations).toEqual(Array.from({ length: rememberedOperations }, (_, index) => `op-${40 - index}`));
});

it("streams any number of keys", async () => {
  const { store, write } = setUp();
  for (let index = 0; index < 600; index++) await write(`k${index}`, "x");
  await write("k7", undefined);
  await write("other", "x");
  const keys = new Set<string>();
  for await (const key of store.keys("k")) keys.add(key);
  expect([keys.size, keys.has("k7"), keys.has("other")]).toEqual([599, false, false]);
});
