import { describe, expect, it } from "@jest/globals";
import type { LoaderInput } from "../src/index.ts";
import { failOnUnhandledRejections, failureOf, watch } from "./support/outcomes.ts";
import { ReadWorld } from "./support/read-world.ts";
import { settle } from "./support/virtual-clock.ts";

failOnUnhandledRejections();

/** A loader that a test lets end, and what it was given at each run. */
const heldLoader = () => {
  const runs: {
    readonly input: LoaderInput<unknown>;
    readonly end: (value: unknown) => void;
    readonly fail: (error: unknown) => void;
  }[] = [];
  const load = (input: LoaderInput<unknown>): Promise<unknown> =>
    new Promise((resolve, reject) => {
      runs.push({ input, end: resolve, fail: reject });
    });
  return { runs, load };
};

describe("concurrent reads of one key", () => {
  it("concurrent reads of one missing key ask the store once", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "1m" });
    await node.set("k", 1);
    await node.invalidate("k");
    const answers = await Promise.all(Array.from({ length: 100 }, () => node.get("k")));
    expect(new Set(answers)).toEqual(new Set([1]));
    expect(world.store.reads).toBe(1);
  });

  // docs/pitfalls.md, 16: elsewhere 10 001 commands for one cold key.
  it("10 000 callers of a cold key are one load", async () => {
    const world = new ReadWorld();
    const node = await world.readyNode({ shared: true });
    node.register("k", { ttl: "1m" });
    let runs = 0;
    const loader = (): string => {
      runs++;
      return "made";
    };
    const before = { ...world.shared };
    const answers = await Promise.all(Array.from({ length: 10_000 }, () => node.getOrSet("k", loader)));
    expect(answers.every((answer) => answer === "made")).toBe(true);
    expect(runs).toBe(1);
    expect(world.store.reads).toBe(1);
    expect(world.store.commits).toBe(1);
    expect(world.shared.reads - before.reads).toBe(1);
    expect(world.metrics.count("loads_saved_total")).toBe(9_999);
  });

  // docs/pitfalls.md, D: 50 loads one after another, or one whose error is swallowed.
  it("50 callers of a failing loader are one run, and each gets the loader's own error", async () => {
    const node = new ReadWorld().node();
    node.register("k", { ttl: "1m" });
    const error = new TypeError("no route to host");
    let runs = 0;
    const results = await Promise.allSettled(
      Array.from({ length: 50 }, () =>
        node.getOrSet("k", () => {
          runs++;
          throw error;
        }),
      ),
    );
    expect(runs).toBe(1);
    for (const result of results) expect(result).toEqual({ status: "rejected", reason: error });
    expect(results.every((result) => result.status === "rejected" && result.reason === error)).toBe(true);
  });

  it("after a failed load the next caller starts another", async () => {
    const node = new ReadWorld().node();
    node.register("k", { ttl: "1m" });
    await expect(node.getOrSet("k", () => Promise.reject(new Error("first")))).rejects.toThrow("first");
    expect(await node.getOrSet("k", () => 2)).toBe(2);
  });

  // docs/pitfalls.md, 16: one single flight for miss, expired, forced and batch.
  it("single and batch readers of a key share one load", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k*", { ttl: "1m" });
    const { runs, load } = heldLoader();
    const first = node.getOrSet("k1", load);
    const many = node.getOrSetMany(["k1", "k2"], ({ keys }) => new Map(keys.map((key) => [key, `${key} of many`])));
    await settle();
    runs[0]?.end("one");
    expect(await first).toBe("one");
    expect(await many).toEqual(
      new Map([
        ["k1", "one"],
        ["k2", "k2 of many"],
      ]),
    );
    expect(runs).toHaveLength(1);
  });

  it("a reader without a loader does not wait for the loader of another", async () => {
    const node = new ReadWorld().node();
    node.register("k", { ttl: "1m" });
    const { runs, load } = heldLoader();
    const loading = node.getOrSet("k", load);
    expect(await node.find("k")).toBeUndefined();
    await settle();
    runs[0]?.end(1);
    expect(await loading).toBe(1);
    expect(runs).toHaveLength(1);
  });

  it("a caller that wants a refresh does not share a read that the shared tier may answer", async () => {
    const world = new ReadWorld();
    const node = await world.readyNode({ shared: true }, { localCache: false });
    node.register("k", { ttl: "1m" });
    await node.set("k", "old");
    await node.get("k");
    await settle();
    world.outside.changeOutside("k", new Uint8Array([1, ...Buffer.from('"new"')]));
    const cached = node.get("k");
    const forced = node.get("k", { refresh: true });
    expect(await cached).toBe("old");
    expect(await forced).toBe("new");
    await settle();
    expect(await node.get("k")).toBe("new");
  });
});

describe("a load that something overtook", () => {
  // docs/pitfalls.md, 1 and 2: a delete, set or invalidation during a load must not be undone by it.
  it.each(["invalidate", "set", "delete", "clear", "a frame of another node"] as const)(
    "%s during a load: it answers its callers, fills nothing, and the next reader starts another",
    async (what) => {
      const world = new ReadWorld();
      const [node, other] = [await world.readyNode({ bus: true }), await world.readyNode({ bus: true })];
      for (const each of [node, other]) each.register("k", { ttl: "1h" });
      await other.set("k", "old");
      await world.clock.advance(10);
      world.storeFaults.latencyMs = 10;
      const early = watch(node.get("k"));
      await world.clock.advance(11);
      const act = {
        invalidate: () => node.invalidate("k"),
        set: () => node.set("k", "new"),
        delete: () => node.delete("k"),
        clear: () => node.clear(),
        "a frame of another node": () => other.set("k", "new"),
      }[what];
      // The read has its answer from the store and waits for it to travel back.
      world.storeFaults.latencyMs = 0;
      await act();
      await world.clock.advance(1);
      const late = watch(node.find("k"));
      await settle();
      await world.clock.advance(30);
      expect(early.value).toBe("old");
      const expected = what === "delete" ? undefined : what === "set" || what.startsWith("a frame") ? "new" : "old";
      expect(late.value).toBe(expected);
      expect(await node.find("k")).toBe(expected);
    },
  );

  it("a loader that an invalidation overtook answers those who came before, later ones start a new run", async () => {
    const world = new ReadWorld();
    const node = world.node({ store: false });
    node.register("k", { ttl: "1h" });
    const { runs, load } = heldLoader();
    const before = [node.getOrSet("k", load), node.getOrSet("k", load)];
    await settle();
    await node.invalidate("k");
    const after = [node.getOrSet("k", load), node.getOrSet("k", load)];
    await settle();
    expect(runs).toHaveLength(2);
    runs[1]?.end("second");
    await settle();
    runs[0]?.end("first");
    expect(await Promise.all(before)).toEqual(["first", "first"]);
    expect(await Promise.all(after)).toEqual(["second", "second"]);
    expect(node.peek("k")).toBe("second");
    expect(world.metrics.count("fills_refused_total")).toBe(1);
  });

  it("a refresh overtakes the load that is under way, whichever ends first", async () => {
    const node = new ReadWorld().node({ store: false });
    node.register("k", { ttl: "1h" });
    const { runs, load } = heldLoader();
    const first = node.getOrSet("k", load);
    await settle();
    const second = node.getOrSet("k", load, { refresh: true });
    await settle();
    runs[1]?.end("newer");
    expect(await second).toBe("newer");
    runs[0]?.end("older");
    expect(await first).toBe("older");
    expect(node.peek("k")).toBe("newer");
  });
});

describe("callers who give up", () => {
  // docs/pitfalls.md, 17.
  it("a reader that aborts does not abort the load that others wait for", async () => {
    const node = new ReadWorld().node();
    node.register("k", { ttl: "1h" });
    const { runs, load } = heldLoader();
    const controller = new AbortController();
    const impatient = watch(node.getOrSet("k", load, { signal: controller.signal }));
    const patient = node.getOrSet("k", load);
    await settle();
    controller.abort("changed my mind");
    await settle();
    expect(impatient.code).toBe("ABORTED");
    expect(impatient.error).toMatchObject({ cause: "changed my mind", key: "k", operation: "getOrSet" });
    expect(runs[0]?.input.signal.aborted).toBe(false);
    runs[0]?.end("made");
    expect(await patient).toBe("made");
    expect(await node.get("k")).toBe("made");
  });

  it("the loader's signal aborts once every caller has left", async () => {
    const node = new ReadWorld().node();
    node.register("k", { ttl: "1h" });
    const { runs, load } = heldLoader();
    const controllers = [new AbortController(), new AbortController()];
    const calls = controllers.map(({ signal }) => watch(node.getOrSet("k", load, { signal })));
    await settle();
    controllers[0]?.abort();
    await settle();
    expect(runs[0]?.input.signal.aborted).toBe(false);
    controllers[1]?.abort();
    await settle();
    expect(runs[0]?.input.signal.aborted).toBe(true);
    expect(calls.map(({ code }) => code)).toEqual(["ABORTED", "ABORTED"]);
    runs[0]?.fail(new Error("aborted"));
  });

  it("a reader that was answered counts no more among those a loader runs for", async () => {
    const node = new ReadWorld().node();
    node.register("k", { ttl: "1h" });
    const { runs, load } = heldLoader();
    const controller = new AbortController();
    const loading = watch(node.getOrSet("k", load, { signal: controller.signal }));
    expect(await node.find("k")).toBeUndefined();
    await settle();
    controller.abort();
    await settle();
    expect(loading.code).toBe("ABORTED");
    expect(runs[0]?.input.signal.aborted).toBe(true);
    runs[0]?.fail(new Error("aborted"));
  });

  it("who comes after all have left is not handed the load that they gave up", async () => {
    const node = new ReadWorld().node({ store: false });
    node.register("k", { ttl: "1h" });
    const { runs, load } = heldLoader();
    const controller = new AbortController();
    const gone = watch(node.getOrSet("k", load, { signal: controller.signal }));
    await settle();
    controller.abort();
    await settle();
    const later = node.getOrSet("k", load);
    await settle();
    expect(runs).toHaveLength(2);
    runs[1]?.end("second");
    expect(await later).toBe("second");
    // A loader that does not care about its signal brings nothing in.
    runs[0]?.end("first");
    await settle();
    expect(node.peek("k")).toBe("second");
    expect(gone.code).toBe("ABORTED");
  });

  it("a loader does not begin for callers who left while the store was asked", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "1h" });
    world.storeFaults.latencyMs = 10;
    const { runs, load } = heldLoader();
    const controller = new AbortController();
    const call = watch(node.getOrSet("k", load, { signal: controller.signal }));
    await world.clock.advance(5);
    controller.abort();
    await world.clock.advance(50);
    expect(call.code).toBe("ABORTED");
    expect(runs).toHaveLength(0);
  });

  it("a hardTimeout rejects its caller with DEADLINE_EXCEEDED; the load goes on and fills the cache", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "1h" });
    const { runs, load } = heldLoader();
    const call = watch(node.getOrSet("k", load, { hardTimeout: 100 }));
    await world.clock.advance(99);
    expect(call.state).toBe("pending");
    await world.clock.advance(1);
    expect(call.code).toBe("DEADLINE_EXCEEDED");
    expect(runs[0]?.input.signal.aborted).toBe(false);
    runs[0]?.end("late");
    await settle();
    expect(await node.get("k")).toBe("late");
  });

  it("each of the callers has a hardTimeout of its own", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "1h", hardTimeout: 200 });
    const { runs, load } = heldLoader();
    const calls = [node.getOrSet("k", load, { hardTimeout: 50 }), node.getOrSet("k", load)].map(watch);
    await world.clock.advance(50);
    expect(calls.map(({ state }) => state)).toEqual(["rejected", "pending"]);
    await world.clock.advance(150);
    expect(calls.map(({ code }) => code)).toEqual(["DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"]);
    runs[0]?.end(1);
  });

  it("close() aborts the signal of a loader that does not end in time", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "1h" });
    const { runs, load } = heldLoader();
    const call = watch(node.getOrSet("k", load));
    await settle();
    const closed = watch(node.close({ timeout: "1s" }));
    await world.clock.advance(999);
    expect(runs[0]?.input.signal.aborted).toBe(false);
    await world.clock.advance(1);
    expect(closed.code).toBe("DEADLINE_EXCEEDED");
    expect(runs[0]?.input.signal.aborted).toBe(true);
    runs[0]?.fail(new Error("gave up"));
    await settle();
    expect(call.error).toMatchObject({ message: "gave up" });
  });

  it("close() rejects new calls with CLOSED and waits for those under way", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "1h" });
    const { runs, load } = heldLoader();
    const call = node.getOrSet("k", load);
    await settle();
    const closed = watch(node.close());
    await world.clock.advance(100);
    expect(closed.state).toBe("pending");
    expect(await failureOf(node.get("k"))).toMatchObject({ code: "CLOSED" });
    runs[0]?.end("made");
    expect(await call).toBe("made");
    await world.clock.advance(0);
    expect(closed.state).toBe("resolved");
  });
});

describe("a loader's deadline", () => {
  it("is 30 s: its waiters get DEADLINE_EXCEEDED from the loader, and its signal aborts", async () => {
    const world = new ReadWorld();
    const node = world.node();
    node.register("k", { ttl: "1h" });
    const { runs, load } = heldLoader();
    const calls = [node.getOrSet("k", load), node.getOrSet("k", load)].map(watch);
    await world.clock.advance(29_999);
    expect(calls.map(({ state }) => state)).toEqual(["pending", "pending"]);
    await world.clock.advance(1);
    for (const call of calls) expect(call.error).toMatchObject({ code: "DEADLINE_EXCEEDED", port: "loader", key: "k" });
    expect(runs[0]?.input.signal.aborted).toBe(true);
    // What comes after the deadline is nobody's: not cached, not an unhandled rejection.
    runs[0]?.fail(new Error("late"));
    await settle();
    expect(node.peek("k")).toBeUndefined();
    expect(await node.getOrSet("k", () => 2)).toBe(2);
  });

  it("can be set", async () => {
    const world = new ReadWorld();
    const node = world.node({}, { deadlines: { loader: "1s" } });
    node.register("k", { ttl: "1h" });
    const call = watch(node.getOrSet("k", () => new Promise(() => undefined)));
    await world.clock.advance(1_000);
    expect(call.code).toBe("DEADLINE_EXCEEDED");
  });
});
