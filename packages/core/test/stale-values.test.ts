import { describe, expect, it } from "@jest/globals";
import type { RegisterOptions } from "../src/index.ts";
import { failOnUnhandledRejections, failureOf, watch } from "./support/outcomes.ts";
import { ReadWorld } from "./support/read-world.ts";
import { settle } from "./support/virtual-clock.ts";

failOnUnhandledRejections();

const storedJson = (value: unknown): Uint8Array => new Uint8Array([1, ...Buffer.from(JSON.stringify(value))]);

// docs/pitfalls.md, 18: the truth table of ttl x grace x timeouts. The loader takes so long, or fails.
describe("what a caller gets, by age of the copy, state of the source, and policy", () => {
  const ttl = 1_000;
  type Row = {
    readonly policy: Omit<RegisterOptions, "ttl">;
    /** Of the copy, in milliseconds. */
    readonly age: number;
    /** The source fails, or takes so many milliseconds. */
    readonly source: "fails" | number;
    readonly gets: "old" | "new" | "the error" | "DEADLINE_EXCEEDED";
    /** After so many milliseconds. */
    readonly after: number;
  };
  const rows: readonly Row[] = [
    // Within the TTL nothing is asked.
    { policy: {}, age: 999, source: "fails", gets: "old", after: 0 },
    { policy: { failSafe: 500 }, age: 999, source: "fails", gets: "old", after: 0 },
    { policy: { failSafe: 500, softTimeout: 10, hardTimeout: 20 }, age: 999, source: 100, gets: "old", after: 0 },
    // Past the TTL without fail-safe an old value is never served.
    { policy: {}, age: 1_000, source: "fails", gets: "the error", after: 0 },
    { policy: {}, age: 1_000, source: 100, gets: "new", after: 100 },
    { policy: { softTimeout: 10 }, age: 1_000, source: 100, gets: "new", after: 100 },
    { policy: { hardTimeout: 20 }, age: 1_000, source: 100, gets: "DEADLINE_EXCEEDED", after: 20 },
    { policy: { softTimeout: 10, hardTimeout: 20 }, age: 1_000, source: 100, gets: "DEADLINE_EXCEEDED", after: 20 },
    // Fail-safe alone: served where the source fails, however long that takes; a slow source is waited for.
    { policy: { failSafe: 500 }, age: 1_000, source: "fails", gets: "old", after: 0 },
    { policy: { failSafe: 500 }, age: 1_499, source: "fails", gets: "old", after: 0 },
    { policy: { failSafe: 500 }, age: 1_500, source: "fails", gets: "the error", after: 0 },
    { policy: { failSafe: 500 }, age: 1_000, source: 100, gets: "new", after: 100 },
    // A hard timeout is a failure of the source.
    { policy: { failSafe: 500, hardTimeout: 20 }, age: 1_000, source: 100, gets: "old", after: 20 },
    { policy: { failSafe: 500, hardTimeout: 20 }, age: 1_490, source: 100, gets: "DEADLINE_EXCEEDED", after: 20 },
    { policy: { failSafe: 500, hardTimeout: 200 }, age: 1_000, source: 100, gets: "new", after: 100 },
    // A soft timeout serves what fail-safe allows.
    { policy: { failSafe: 500, softTimeout: 10 }, age: 1_000, source: 100, gets: "old", after: 10 },
    { policy: { failSafe: 500, softTimeout: 200 }, age: 1_000, source: 100, gets: "new", after: 100 },
    { policy: { failSafe: 500, softTimeout: 10 }, age: 1_500, source: 100, gets: "new", after: 100 },
    { policy: { failSafe: 500, softTimeout: 10 }, age: 1_495, source: 100, gets: "new", after: 100 },
    { policy: { failSafe: 500, softTimeout: 10, hardTimeout: 20 }, age: 1_000, source: 100, gets: "old", after: 10 },
    { policy: { failSafe: 500, softTimeout: 20, hardTimeout: 10 }, age: 1_000, source: 100, gets: "old", after: 10 },
    { policy: { failSafe: 500, softTimeout: 10 }, age: 1_000, source: "fails", gets: "old", after: 0 },
    // A grace shorter than the TTL does not shorten the life of the entry (measured in bentocache).
    { policy: { failSafe: 10 }, age: 999, source: "fails", gets: "old", after: 0 },
    { policy: { failSafe: 10 }, age: 1_009, source: "fails", gets: "old", after: 0 },
    { policy: { failSafe: 10 }, age: 1_010, source: "fails", gets: "the error", after: 0 },
    // Eager refresh changes nothing about what is served when.
    { policy: { eagerRefresh: 0.5 }, age: 600, source: "fails", gets: "old", after: 0 },
    { policy: { eagerRefresh: 0.5 }, age: 600, source: 100, gets: "old", after: 0 },
    { policy: { eagerRefresh: 0.5 }, age: 1_000, source: "fails", gets: "the error", after: 0 },
    { policy: { eagerRefresh: 0.5, failSafe: 500 }, age: 1_499, source: "fails", gets: "old", after: 0 },
    { policy: { eagerRefresh: 0.5, failSafe: 500 }, age: 1_500, source: "fails", gets: "the error", after: 0 },
    { policy: { eagerRefresh: 0.5, failSafe: 500, softTimeout: 10 }, age: 1_200, source: 100, gets: "old", after: 10 },
  ];

  const tiers = {
    "the local tier": { local: true, shared: false },
    "the shared tier": { local: false, shared: true },
    "both tiers": { local: true, shared: true },
  } as const;

  for (const [tier, { local, shared }] of Object.entries(tiers)) {
    it.each(rows.filter(({ policy }) => local || policy.eagerRefresh === undefined))(
      `from ${tier}, $policy, $age ms old, source $source: $gets after $after ms`,
      async ({ policy, age, source, gets, after }) => {
        const world = new ReadWorld();
        const node = await world.readyNode({ store: false, shared }, local ? {} : { localCache: false });
        node.register("k", { ttl, ...policy });
        await node.getOrSet("k", () => "old");
        await world.clock.advance(age);
        const error = new Error("the source failed");
        const call = watch(
          node.getOrSet("k", () =>
            source === "fails"
              ? Promise.reject(error)
              : new Promise((resolve) => {
                  world.clock.schedule(source, () => resolve("new"));
                }),
          ),
        );
        if (after > 0) {
          await world.clock.advance(after - 1);
          expect(call.state).toBe("pending");
          await world.clock.advance(1);
        } else await settle();
        if (gets === "the error") expect(call.error).toBe(error);
        else if (gets === "DEADLINE_EXCEEDED") expect(call.code).toBe(gets);
        else expect(call.value).toBe(gets);
        // A slow load goes on behind the caller's back and fills the cache, unless its slot expired meanwhile.
        await world.clock.advance(200);
        if (typeof source !== "number" || age < ttl) return;
        const isSlotGone = !local && age < ttl + 500 && age + source >= ttl + 500;
        if (!isSlotGone) expect(await node.find("k")).toBe("new");
      },
    );
  }
});

describe("fail-safe", () => {
  it("serves an expired value when the store fails, says so in the log and counts it", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "1s", failSafe: "1h" });
    await node.set("k", 1);
    await world.clock.advance(1_000);
    world.storeFaults.mode = "refuses";
    expect(await node.get("k")).toBe(1);
    expect(await node.getMany(["k"])).toEqual(new Map([["k", 1]]));
    expect(world.metrics.count("stale_served_total", { reason: "failed", pattern: "k" })).toBe(2);
    expect(world.warnings()).toContain("serving an expired value: it could not be replaced");
    expect(node.peek("k")).toBeUndefined();
  });

  it("serves nothing once the source answers again", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "1s", failSafe: "1h" });
    await node.set("k", "old");
    await world.clock.advance(1_000);
    world.outside.changeOutside("k", storedJson("new"));
    world.storeFaults.mode = "refuses";
    expect(await node.get("k")).toBe("old");
    world.storeFaults.mode = "well";
    await world.clock.advance(1_000);
    expect(await node.get("k")).toBe("new");
  });

  it.each([
    ["1 s by default", "1h", 1_000],
    ["as long as throttle says", { for: "1h", throttle: "5s" }, 5_000],
    ["not at all with a throttle of 0", { for: "1h", throttle: 0 }, 0],
  ] as const)("leaves a source that failed alone for a while: %s", async (_, failSafe, throttleMs) => {
    const world = new ReadWorld();
    const node = world.node({ store: false });
    node.register("k", { ttl: "1s", failSafe });
    let runs = 0;
    let fails = false;
    const loader = async () => {
      runs++;
      if (fails) throw new Error("down");
      return `value ${runs}`;
    };
    await node.getOrSet("k", loader);
    await world.clock.advance(1_000);
    fails = true;
    for (let read = 0; read < 10; read++) expect(await node.getOrSet("k", loader)).toBe("value 1");
    expect(runs).toBe(throttleMs === 0 ? 11 : 2);
    expect(world.metrics.count("stale_served_total", { pattern: "k" })).toBe(10);
    await world.clock.advance(Math.max(0, throttleMs - 1));
    expect(await node.getOrSet("k", loader)).toBe("value 1");
    expect(runs).toBe(throttleMs === 0 ? 12 : 2);
    // Who asks for it by name is served by the source, also meanwhile.
    fails = false;
    expect(await node.getOrSet("k", loader, { refresh: true })).toBe(`value ${runs}`);
    await world.clock.advance(1_000);
    expect(await node.getOrSet("k", loader)).toBe(`value ${runs}`);
  });

  it("throttles what the soft timeout served, too, once its replacement has failed", async () => {
    const world = new ReadWorld();
    const node = world.node({ store: false });
    node.register("k", { ttl: "1s", failSafe: "1h", softTimeout: 10 });
    await node.getOrSet("k", () => "old");
    await world.clock.advance(1_000);
    let runs = 0;
    const slow = async () => {
      runs++;
      await new Promise<void>((resolve) => world.clock.schedule(100, resolve));
      throw new Error("down");
    };
    expect(await world.clock.run(node.getOrSet("k", slow))).toBe("old");
    await world.clock.advance(100);
    const began = world.clock.monotonic();
    expect(await world.clock.run(node.getOrSet("k", slow))).toBe("old");
    expect([runs, world.clock.monotonic() - began]).toEqual([1, 0]);
  });

  it("serves nothing that was invalidated or has become suspect, throttle or not, and nothing past the grace", async () => {
    const world = new ReadWorld();
    const node = world.node({ store: false });
    const failing = () => Promise.reject(new Error("down"));
    for (const [key, overtake] of [
      ["a", () => node.invalidate("a")],
      ["b", () => node.register("b*", { ttl: "1s" })],
      ["c", () => world.clock.advance(500)],
    ] as const) {
      node.register(key, { ttl: "1s", failSafe: { for: 1_200, throttle: "1h" } });
      await node.getOrSet(key, () => "old");
      await world.clock.advance(1_700);
      expect(await node.getOrSet(key, failing)).toBe("old");
      expect(await node.getOrSet(key, failing)).toBe("old");
      await overtake();
      expect((await failureOf(node.getOrSet(key, failing))).message).toBe("down");
    }
  });

  // docs/pitfalls.md, 23: a failure must not be cached, nor damage what is there.
  it("a failed refresh leaves the old value as it was", async () => {
    const world = new ReadWorld();
    const node = world.node({ store: false });
    node.register("k", { ttl: "1s", failSafe: "10s", negativeTtl: "1h" });
    const value = { n: 1 };
    await node.getOrSet("k", () => value);
    await world.clock.advance(5_000);
    for (let attempt = 0; attempt < 3; attempt++) {
      expect(await node.getOrSet("k", () => Promise.reject(new Error("down")))).toBe(value);
    }
    expect(await node.inspect("k")).toMatchObject({ leftMs: -4_000, negative: false });
    await world.clock.advance(6_000);
    expect((await failureOf(node.getOrSet("k", () => Promise.reject(new Error("down"))))).message).toBe("down");
  });

  it("an entry stays in the local tier for TTL and fail-safe, and no longer", async () => {
    const world = new ReadWorld();
    const node = world.node({ store: false });
    node.register("k", { ttl: "10s", failSafe: "20s" });
    await node.set("k", 1);
    await world.clock.advance(29_999);
    expect(world.metrics.count("local_entries")).toBe(1);
    await world.clock.advance(20_000);
    expect(world.metrics.count("local_entries")).toBe(0);
    expect(world.metrics.count("expirations_total")).toBe(1);
  });

  it("a slot stays in the shared tier for TTL and fail-safe", async () => {
    const world = new ReadWorld();
    const node = await world.readyNode({ shared: true });
    node.register("k", { ttl: "10s", failSafe: "20s" });
    await node.getOrSet("k", () => 1, { persist: "none" });
    await world.clock.advance(0);
    const began = world.clock.monotonic();
    expect(world.sharedData.slots.get("k")?.expiresAt).toBe(began + 30_000);
  });

  it.each(["invalidate", "delete", "set", "clear"] as const)(
    "what was there before a %s is never served again, whatever fails",
    async (what) => {
      const world = new ReadWorld();
      const node = await world.readyNode({ shared: true });
      node.register("k", { ttl: "1s", failSafe: { for: "1d", suspects: true } });
      await node.getOrSet("k", () => "old");
      await node.get("k");
      await world.clock.advance(2_000);
      const act = {
        invalidate: () => node.invalidate("k"),
        delete: () => node.delete("k"),
        set: () => node.set("k", "new"),
        clear: () => node.clear(),
      }[what];
      await act();
      await world.clock.advance(2_000);
      world.storeFaults.mode = "refuses";
      const answer = watch(node.find("k"));
      await settle();
      if (what === "set") expect(answer.value).toBe("new");
      else expect(answer.code).toBe("UNAVAILABLE");
    },
  );

  it("what another node invalidated is never served again, also where a load of it was under way and fails", async () => {
    const world = new ReadWorld();
    const parts = { bus: true, shared: true };
    const [node, other] = [await world.readyNode(parts), await world.readyNode(parts)];
    for (const each of [node, other]) each.register("k", { ttl: "1s", failSafe: { for: "1d", suspects: true } });
    await node.getOrSet("k", () => "old");
    await node.get("k");
    await world.clock.advance(2_000);
    world.storeFaults.latencyMs = 100;
    const call = watch(node.get("k"));
    await world.clock.advance(50);
    await other.invalidate("k");
    await world.clock.advance(10);
    world.storeFaults.mode = "refuses";
    await world.clock.advance(2_000);
    // The answer that was on its way may have come; the stale one may not.
    expect(call.state === "rejected" || call.value === "old").toBe(true);
    const later = watch(node.get("k"));
    await settle();
    expect(later.code).toBe("UNAVAILABLE");
  });

  it("a suspect value is not served, unless the registration says so", async () => {
    const world = new ReadWorld();
    const node = await world.readyNode({ bus: true });
    node.register("a", { ttl: "1h", failSafe: "1d" });
    node.register("b", { ttl: "1h", failSafe: { for: "1d", suspects: true } });
    node.register("c", { ttl: "1h", failSafe: { for: "1d" } });
    for (const key of ["a", "b", "c"]) await node.set(key, key);
    world.network.disconnect(node.nodes()[0] as string);
    await world.clock.advance(10_000);
    world.storeFaults.mode = "refuses";
    expect(await failureOf(node.get("a"))).toMatchObject({ code: "UNAVAILABLE" });
    expect(await node.get("b")).toBe("b");
    expect(await failureOf(node.get("c"))).toMatchObject({ code: "UNAVAILABLE" });
  });

  it("a negative entry is not served past its TTL", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "1h", negativeTtl: "1s", failSafe: "1h" });
    await node.find("k");
    await world.clock.advance(1_000);
    world.storeFaults.mode = "refuses";
    expect(await failureOf(node.find("k"))).toMatchObject({ code: "UNAVAILABLE" });
  });

  it("a key that the store no longer has is not served, although the local tier still holds its expired value", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "1s", failSafe: "1d" });
    await node.set("k", 1);
    await world.clock.advance(2_000);
    world.outside.changeOutside("k", undefined);
    expect(await node.find("k")).toBeUndefined();
    world.storeFaults.mode = "refuses";
    expect(await failureOf(node.find("k"))).toMatchObject({ code: "UNAVAILABLE" });
  });

  it("a node without a copy of its own serves the shared tier's, as long as that is trusted", async () => {
    const world = new ReadWorld();
    const [node, other] = [
      await world.readyNode({ shared: true, bus: true }),
      await world.readyNode({ shared: true, bus: true }),
    ];
    for (const each of [node, other]) each.register("k", { ttl: "1s", failSafe: "1d" });
    await other.set("k", 1);
    await world.clock.advance(100);
    await other.unregister("k");
    other.register("k", { ttl: "1s", failSafe: "1d" });
    await other.get("k");
    await world.clock.advance(5_000);
    world.storeFaults.mode = "refuses";
    expect(await node.get("k")).toBe(1);
    await node.invalidate("k");
    expect(await failureOf(node.get("k"))).toMatchObject({ code: "UNAVAILABLE" });
  });

  it("grace without end works in every tier", async () => {
    const world = new ReadWorld();
    for (const localCache of [undefined, false as const]) {
      const node = await world.readyNode({ shared: true, store: false }, localCache === false ? { localCache } : {});
      node.register("k", { ttl: "1s", failSafe: Number.POSITIVE_INFINITY });
      await node.getOrSet("k", () => 1, { refresh: true });
      await settle();
      expect(await node.get("k")).toBe(1);
      await world.clock.advance(600_000);
      expect(await node.getOrSet("k", () => Promise.reject(new Error("down")))).toBe(1);
    }
  });
});

describe("softTimeout", () => {
  it("many callers are served the old value, one load goes on, and its failure is told once", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "1s", failSafe: "1h", softTimeout: 50 });
    await node.set("k", "old");
    await world.clock.advance(1_000);
    world.storeFaults.mode = "silent";
    const { reads } = world.store;
    const calls = Array.from({ length: 100 }, () => watch(node.get("k")));
    await world.clock.advance(50);
    expect(calls.every(({ value }) => value === "old")).toBe(true);
    expect(world.store.reads - reads).toBe(1);
    expect(world.metrics.count("stale_served_total", { reason: "slow" })).toBe(100);
    await world.clock.advance(5_000);
    expect(world.metrics.count("background_errors_total", { operation: "refresh" })).toBe(1);
  });

  it("a value that is invalidated while its slow replacement is loaded is not served when the soft timeout comes", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "1s", failSafe: "1h", softTimeout: 50 });
    await node.set("k", "old");
    await world.clock.advance(1_000);
    world.storeFaults.latencyMs = 100;
    const call = watch(node.get("k"));
    await world.clock.advance(20);
    await node.invalidate("k");
    await world.clock.advance(40);
    expect(call.state).toBe("pending");
    await world.clock.advance(200);
    expect(call.state).toBe("resolved");
  });

  it("the caller's signal does not end the load that goes on", async () => {
    // docs/pitfalls.md, 17.
    const world = new ReadWorld();
    const node = world.node({ store: false });
    node.register("k", { ttl: "1s", failSafe: "1h", softTimeout: 50 });
    await node.getOrSet("k", () => "old");
    await world.clock.advance(1_000);
    const controller = new AbortController();
    let signal: AbortSignal | undefined;
    let end: (value: string) => void = () => undefined;
    const call = watch(
      node.getOrSet(
        "k",
        (input) => {
          signal = input.signal;
          return new Promise<string>((resolve) => {
            end = resolve;
          });
        },
        { signal: controller.signal },
      ),
    );
    await world.clock.advance(50);
    expect(call.value).toBe("old");
    controller.abort();
    await settle();
    expect(signal?.aborted).toBe(false);
    end("new");
    await settle();
    expect(node.peek("k")).toBe("new");
  });
});

describe("eagerRefresh", () => {
  it("refreshes once, behind the callers' backs, when that share of the TTL is left", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "10s", eagerRefresh: 0.2 });
    await node.set("k", "old");
    world.outside.changeOutside("k", storedJson("new"));
    const { reads } = world.store;
    await world.clock.advance(7_999);
    expect(await node.get("k")).toBe("old");
    expect(world.store.reads).toBe(reads);
    await world.clock.advance(1);
    world.storeFaults.latencyMs = 10;
    const calls = await Promise.all(Array.from({ length: 50 }, () => node.get("k")));
    expect(new Set(calls)).toEqual(new Set(["old"]));
    await world.clock.advance(20);
    expect(world.store.reads).toBe(reads + 1);
    expect(node.peek("k")).toBe("new");
    expect(world.metrics.count("eager_refreshes_total", { pattern: "k" })).toBe(1);
    // A whole new life.
    expect((await node.inspect("k")).leftMs).toBeGreaterThan(9_900);
  });

  it("a failing refresh does not begin again at every hit; the value lives to its expiry and is asked for then", async () => {
    // docs/pitfalls.md, 16: background refresh fired many times.
    const world = new ReadWorld();
    const node = world.node({ store: false });
    node.register("k", { ttl: "10s", eagerRefresh: 0.5 });
    await node.getOrSet("k", () => "old");
    await world.clock.advance(6_000);
    let runs = 0;
    const failing = (): Promise<never> => {
      runs++;
      return Promise.reject(new Error("down"));
    };
    for (let hit = 0; hit < 100; hit++) {
      expect(await node.getOrSet("k", failing)).toBe("old");
      await world.clock.advance(10);
    }
    expect(runs).toBe(1);
    expect(world.metrics.count("background_errors_total", { operation: "refresh" })).toBe(1);
    expect((await node.inspect("k")).leftMs).toBe(3_000);
    expect((await node.inspect("k")).ageMs).toBeUndefined();
    await world.clock.advance(3_000);
    expect((await failureOf(node.getOrSet("k", failing))).message).toBe("down");
    expect(runs).toBe(2);
  });

  it("a refresh that finds the key gone takes it out, and does not begin again", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "10s", eagerRefresh: 0.5 });
    await node.set("k", 1);
    world.outside.changeOutside("k", undefined);
    await world.clock.advance(6_000);
    expect(await node.get("k")).toBe(1);
    await world.clock.advance(1);
    expect(await node.find("k")).toBeUndefined();
  });

  it("an aborting caller does not abort the refresh that its hit began", async () => {
    const world = new ReadWorld();
    const node = world.node({ store: false });
    node.register("k", { ttl: "10s", eagerRefresh: 0.5 });
    await node.getOrSet("k", () => 1);
    await world.clock.advance(6_000);
    const controller = new AbortController();
    let signal: AbortSignal | undefined;
    await node.getOrSet(
      "k",
      (input) => {
        signal = input.signal;
        return new Promise((resolve) => {
          world.clock.schedule(100, () => resolve(2));
        });
      },
      { signal: controller.signal },
    );
    controller.abort();
    await world.clock.advance(100);
    expect(signal?.aborted).toBe(false);
    expect(node.peek("k")).toBe(2);
  });

  it("a reader without a loader refreshes from the store only, and where there is none not at all", async () => {
    const world = new ReadWorld();
    const node = world.node({ store: false });
    node.register("k", { ttl: "10s", eagerRefresh: 0.5 });
    await node.set("k", 1);
    await world.clock.advance(6_000);
    expect(await node.get("k")).toBe(1);
    await settle();
    expect(world.metrics.count("eager_refreshes_total")).toBe(0);
    expect(await node.get("k")).toBe(1);
  });

  it("a refresh that an invalidation overtakes does not bring the value back", async () => {
    // docs/pitfalls.md, 1, background factory.
    const world = new ReadWorld();
    const node = world.node({ store: false });
    node.register("k", { ttl: "10s", eagerRefresh: 0.5 });
    await node.getOrSet("k", () => 1);
    await world.clock.advance(6_000);
    let end: (value: number) => void = () => undefined;
    await node.getOrSet(
      "k",
      () =>
        new Promise((resolve) => {
          end = resolve;
        }),
    );
    await settle();
    await node.invalidate("k");
    end(2);
    await settle();
    expect(node.peek("k")).toBeUndefined();
  });
});
