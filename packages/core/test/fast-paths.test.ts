import { describe, expect, it } from "@jest/globals";
import { MemoryBus } from "../src/memory/memory-bus.ts";
import { MemoryCache } from "../src/memory/memory-cache.ts";
import { MemoryNetwork } from "../src/memory/memory-network.ts";
import { MemorySharedCache } from "../src/memory/memory-shared-cache.ts";
import { MemoryStore } from "../src/memory/memory-store.ts";
import type { WarpOptions } from "../src/options.ts";
import type { MetricFamily } from "../src/ports/metrics.ts";
import { Warp } from "../src/warp.ts";
import { VirtualClock } from "./support/virtual-clock.ts";

const open = (options: WarpOptions = {}) => {
  let collect: () => readonly MetricFamily[] = () => [];
  const clock = new VirtualClock();
  const cache = new MemoryCache({ clock });
  const metrics = {
    attach: (read: () => readonly MetricFamily[]) => {
      collect = read;
      return () => undefined;
    },
  };
  const warp = new Warp({ localCache: cache, clock, metrics, ...options });
  if (options.localCache !== false) warp.register("k:*", { mode: "strong-local", ttl: "1m" });
  /** The sum of a metric's samples that bear these labels; for a histogram, how often it was observed. */
  const metric = (name: string, labels: Readonly<Record<string, string>> = {}): number =>
    (collect().find((family) => family.name === name)?.samples ?? [])
      .filter((sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value))
      .reduce((total, { value }) => total + (typeof value === "number" ? value : value.count), 0);
  return { warp, clock, cache, metric };
};

describe("a set where the local tier is all there is", () => {
  it("is done when the call returns, and lives for its time", async () => {
    const { warp, clock, metric } = open();
    const answer = warp.set("k:1", "new");
    expect(warp.peek("k:1")).toBe("new");
    expect(await answer).toBe("new");
    await clock.advance(59_999);
    expect(warp.peek("k:1")).toBe("new");
    await clock.advance(1);
    expect(warp.peek("k:1")).toBeUndefined();
    expect(metric("warp_core_writes_total", { operation: "set" })).toBe(1);
  });

  it("is counted each time and timed once in 1 024 times", async () => {
    const { warp, metric } = open();
    for (let n = 0; n < 3_000; n++) await warp.set(`k:${n % 7}`, n);
    expect(metric("warp_core_writes_total", { operation: "set" })).toBe(3_000);
    expect(metric("warp_core_latency_seconds", { operation: "set" })).toBe(2);
    expect(warp.peek("k:3")).toBe(2_999 - ((2_999 - 3) % 7));
  });

  it("voids a load that is under way", async () => {
    const { warp, clock } = open();
    let finish = (_value: string): void => undefined;
    const load = warp.getOrSet(
      "k:1",
      () =>
        new Promise<string>((resolve) => {
          finish = resolve;
        }),
    );
    await clock.advance(1);
    await warp.set("k:1", "written");
    finish("loaded");
    expect(await load).toBe("loaded");
    expect(await warp.get("k:1")).toBe("written");
  });

  it("falls under the registration that stands now, not under the one of the entry it replaces", async () => {
    const { warp, clock } = open();
    await warp.set("k:1", "old");
    warp.register("k:1", { mode: "strong-local", ttl: "1s" });
    await warp.set("k:1", "new");
    await clock.advance(1_000);
    expect(warp.peek("k:1")).toBeUndefined();
    await warp.unregister("k:1");
    await warp.unregister("k:*");
    await expect(warp.set("k:1", "x")).rejects.toMatchObject({ code: "UNREGISTERED" });
  });

  it("refuses what is no key, and everything once the node is closed", async () => {
    const { warp } = open();
    warp.register("*", { mode: "strong-local", ttl: "1m" });
    for (const key of ["", "a*b", "\u0000warp:lease", "\ud800", "x".repeat(1_025), 5 as never])
      await expect(warp.set(key, 1)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await warp.set("k:1", 1);
    await warp.close();
    await expect(warp.set("k:1", 2)).rejects.toMatchObject({ code: "CLOSED" });
  });

  it("merges, slides and tells other nodes where the registration says so", async () => {
    const network = new MemoryNetwork();
    const bus = new MemoryBus(network);
    const { warp, clock } = open();
    warp.register("sum:*", {
      mode: "strong-local",
      ttl: "1m",
      merge: {
        portVersion: 1,
        name: "sum",
        readsCurrent: true,
        merge: (current = 0, incoming) => (current as number) + (incoming as number),
      },
    });
    warp.register("slide:*", { mode: "strong-local", ttl: "1m", sliding: true });
    await warp.set("sum:1", 2);
    expect(await warp.set("sum:1", 3)).toBe(5);
    await warp.set("slide:1", "x");
    await clock.advance(50_000);
    expect(await warp.get("slide:1")).toBe("x");
    await clock.advance(50_000);
    expect(await warp.get("slide:1")).toBe("x");

    const speaker = new Warp({ bus });
    const listener = new Warp({ bus: new MemoryBus(network) });
    for (const node of [speaker, listener]) node.register("k:*", { mode: "eventual-distributed", ttl: "1m" });
    await Promise.all([speaker.ready(), listener.ready()]);
    await listener.set("k:1", "old");
    await speaker.set("k:1", "new");
    await speaker.flush();
    while (listener.peek("k:1") !== undefined) await new Promise((resolve) => setImmediate(resolve));
    await Promise.all([speaker.close(), listener.close()]);
  });
});

describe("callers who join a load", () => {
  it("share one run, are counted, and are each timed", async () => {
    const { warp, clock, metric } = open();
    let runs = 0;
    const load = async (): Promise<string> => {
      runs++;
      await new Promise<void>((resolve) => clock.schedule(40, resolve));
      return "made";
    };
    const first = Array.from({ length: 100 }, () => warp.getOrSet("k:1", load));
    await clock.advance(20);
    const later = Array.from({ length: 50 }, () => warp.getOrSet("k:1", load));
    await clock.advance(20);
    expect(new Set(await Promise.all([...first, ...later]))).toEqual(new Set(["made"]));
    expect(runs).toBe(1);
    expect(metric("warp_core_loads_saved_total")).toBe(149);
    expect(metric("warp_core_latency_seconds", { operation: "getOrSet", outcome: "ok" })).toBe(150);
  });

  it("each get the loader's own error", async () => {
    const { warp, metric } = open();
    const failure = new Error("no such thing");
    const load = async (): Promise<string> => {
      throw failure;
    };
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => warp.getOrSet("k:1", load)));
    for (const outcome of outcomes) expect(outcome).toEqual({ status: "rejected", reason: failure });
    expect(metric("warp_core_latency_seconds", { operation: "getOrSet", outcome: "error" })).toBe(20);
  });

  it("do not join a load that was overtaken: they start their own", async () => {
    const { warp, clock } = open({ store: new MemoryStore() });
    let runs = 0;
    const load = async (): Promise<number> => {
      const run = ++runs;
      await new Promise<void>((resolve) => clock.schedule(50, resolve));
      return run;
    };
    const before = warp.getOrSet("k:1", load, { persist: "none" });
    await clock.advance(10);
    await warp.invalidate("k:1");
    const after = warp.getOrSet("k:1", load);
    await clock.advance(100);
    expect(await before).toBe(1);
    expect(await after).toBe(2);
  });

  it("keep the deadline of their registration", async () => {
    const { warp, clock } = open();
    warp.register("k:hurry", { mode: "strong-local", ttl: "1m", hardTimeout: "10ms" });
    const forever = (): Promise<string> => new Promise(() => undefined);
    const calls = [1, 2, 3].map(() => warp.getOrSet("k:hurry", forever));
    const outcomes = Promise.allSettled(calls);
    await clock.advance(11);
    for (const outcome of await outcomes)
      expect(outcome).toMatchObject({ status: "rejected", reason: { code: "DEADLINE_EXCEEDED" } });
  });

  it("wait on when the caller that began the load aborts", async () => {
    const { warp, clock } = open();
    const controller = new AbortController();
    const load = ({ signal }: { signal: AbortSignal }): Promise<string> =>
      new Promise((resolve, reject) => {
        signal.addEventListener("abort", () => reject(new Error("killed")));
        clock.schedule(50, () => resolve("made"));
      });
    const leader = warp.getOrSet("k:1", load as never, { signal: controller.signal });
    const left = expect(leader).rejects.toMatchObject({ code: "ABORTED" });
    await clock.advance(1);
    const follower = warp.getOrSet("k:1", load as never);
    controller.abort();
    await left;
    await clock.advance(60);
    expect(await follower).toBe("made");
  });
});

describe("a set where the shared tier is all that is told", () => {
  const openShared = async (options: Partial<WarpOptions> = {}) => {
    const clock = new VirtualClock();
    const cache = new MemorySharedCache({ clock });
    const calls: number[] = [];
    let failure: Error | undefined;
    const counted = new Proxy(cache, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name, target);
        if (name !== "put") return typeof member === "function" ? member.bind(target) : member;
        return async (...args: Parameters<MemorySharedCache["put"]>) => {
          calls.push(args[0].length);
          if (failure !== undefined) throw failure;
          return await target.put(...args);
        };
      },
    });
    const opened = open({ sharedCache: counted, clock, ...options });
    opened.warp.register("s:*", { ttl: "1m" });
    await opened.warp.ready();
    // The tier has its epoch.
    await opened.warp.find("s:none");
    return { ...opened, calls, fail: (error: Error) => (failure = error) };
  };
  const some = Array.from({ length: 30 }, (_, n) => `s:${n}`);

  it("costs one call for those of a turn, and each is counted and timed", async () => {
    const { warp, calls, metric } = await openShared();
    expect(await Promise.all(some.map((key, n) => warp.set(key, n)))).toEqual(some.map((_, n) => n));
    expect(calls).toEqual([30]);
    expect(metric("warp_core_writes_total", { operation: "set" })).toBe(30);
    expect(metric("warp_core_latency_seconds", { operation: "set", outcome: "ok" })).toBe(30);
  });

  it("is done before a close that comes after it", async () => {
    const { warp, calls } = await openShared();
    const write = warp.set("s:1", "last");
    await warp.close();
    expect(calls).toEqual([1]);
    expect(await write).toBe("last");
  });

  it("takes its turn after another of the same key", async () => {
    const { warp, calls } = await openShared({ localCache: false });
    const writes = [warp.set("s:1", 1), warp.set("s:1", 2), warp.set("s:1", 3)];
    expect(await Promise.all(writes)).toEqual([1, 2, 3]);
    expect(calls).toEqual([1, 1, 1]);
    expect(await warp.get("s:1")).toBe(3);
  });

  it("keeps the value here where the tier fails, or rejects and names the key, as is asked for", async () => {
    const lenient = await openShared();
    lenient.fail(new Error("away"));
    expect(await lenient.warp.set("s:1", "kept")).toBe("kept");
    expect(lenient.warp.peek("s:1")).toBe("kept");
    const strict = await openShared({ onCacheError: "reject" });
    strict.fail(new Error("away"));
    await expect(strict.warp.set("s:1", "lost")).rejects.toMatchObject({ code: "UNAVAILABLE", key: "s:1" });
    expect(strict.metric("warp_core_latency_seconds", { operation: "set", outcome: "error" })).toBe(1);
  });

  it("keeps a read that found the value before it from bringing that back", async () => {
    let answer = (): void => undefined;
    class SlowToRead extends MemorySharedCache {
      isHeld = false;
      override async read(...args: Parameters<MemorySharedCache["read"]>) {
        const slots = await super.read(...args);
        if (this.isHeld) await new Promise<void>((resolve) => (answer = resolve));
        return slots;
      }
    }
    const clock = new VirtualClock();
    const sharedCache = new SlowToRead({ clock });
    const { warp, cache } = open({ sharedCache, clock });
    warp.register("s:*", { ttl: "1m" });
    await warp.ready();
    await warp.find("s:none");
    await warp.set("s:1", "old");
    const write = warp.set("s:1", "new");
    // Evicted, say.
    cache.delete("s:1");
    sharedCache.isHeld = true;
    const read = warp.find("s:1");
    await write;
    sharedCache.isHeld = false;
    answer();
    await read;
    expect(await warp.find("s:1")).toBe("new");
  });

  it("changes nothing where the value is none", async () => {
    const { warp, calls, metric } = await openShared();
    await expect(warp.set("s:1", { at: new Date(0) })).rejects.toMatchObject({ code: "INVALID_VALUE", key: "s:1" });
    expect(calls).toEqual([]);
    expect(await warp.set("s:1", "next")).toBe("next");
    expect(metric("warp_core_latency_seconds", { operation: "set", outcome: "ok" })).toBe(1);
  });
});
