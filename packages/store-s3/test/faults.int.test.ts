import { afterAll, expect, it } from "@jest/globals";
import { silentLogger, Warp, WarpError } from "@warp/core";
import { sum } from "@warp/merge";
import { describeWithOwn } from "@warp/tests-services";
import { services } from "@warp/tests-services/servers";
import type { S3Store } from "../src/index.ts";
import { StoreBench, uniquePrefix } from "./open-store.ts";
import { conflictOf, newOperation, put, putOf, read, rejectionOf, text } from "./steps.ts";
import { until } from "./waiting.ts";

interface Tally {
  resolved: number;
  unknown: number;
  stopped: boolean;
}

/** Adds one again and again until told to stop; counts what it was told. */
const count = async (store: S3Store, tally: Tally): Promise<void> => {
  while (!tally.stopped) {
    try {
      const record = await read(store, "n");
      const next = putOf("n", `${Number(text(record)) + 1}`, { expected: record?.revision });
      await store.commit(newOperation(), [next], { timeoutMs: 1_000 });
      tally.resolved += 1;
    } catch (error) {
      // A WarpError of a store is a certain no; whatever else may have landed.
      if (!WarpError.is(error)) tally.unknown += 1;
    }
  }
};

await describeWithOwn(services.s3, (server) => {
  const bench = new StoreBench(server.url);
  afterAll(() => bench.close());

  it("a commit under way when the gateway freezes lands after it thaws, long after its caller has left, and once", async () => {
    const store = bench.store();
    const first = await put(store, "k", "1");
    await server.freeze();
    const attempt = putOf("k", "2", { expected: first.revision });
    const error = await rejectionOf(store.commit("late", [attempt], { timeoutMs: 300 }));
    expect(WarpError.is(error)).toBe(false);
    await server.thaw();
    await until("the late landing", async () => (await read(store, "k"))?.revision === "late");
    const conflicts = await conflictOf(store.commit("late", [attempt]));
    expect(conflicts.get("k")?.operations).toEqual(["late", first.revision]);
    expect(text(await read(store, "k"))).toBe("2");
  });

  it("a frozen gateway costs a caller its deadline, and no more", async () => {
    const store = bench.store();
    await put(store, "k", "1");
    await server.freeze();
    const options = { timeoutMs: 200 };
    const calls = [
      () => store.get("k", undefined, options),
      () => store.getMany(["k", "l"], [], options),
      () => store.now(options),
      () => store.getAt("k", 1, options),
      () => store.keys("", options).next(),
      () => store.commit(newOperation(), [putOf("k", "x")], options),
    ];
    const begun = performance.now();
    const errors = await Promise.all(calls.map((call) => rejectionOf(call())));
    // The client's own patience is minutes; a busy machine's is not.
    expect(performance.now() - begun).toBeLessThan(5_000);
    await server.thaw();
    for (const error of errors) expect(error).toBeInstanceOf(Error);
    expect(text(await store.get("k"))).toBe("1");
  });

  it("counters add up though the gateway is killed, frozen and restarted in the middle of commits", async () => {
    const prefix = uniquePrefix();
    const stores = Array.from({ length: 3 }, () => bench.store({ prefix }, bench.client({ maxAttempts: 1 })));
    const [store] = stores as [S3Store];
    await put(store, "n", "0");
    const tally: Tally = { resolved: 0, unknown: 0, stopped: false };
    const writers = Promise.all(Array.from({ length: 9 }, (_, index) => count(stores[index % 3] as S3Store, tally)));
    for (const round of [1, 2, 3]) {
      const target = tally.resolved + 20;
      await until(`progress before round ${round}`, async () => tally.resolved >= target);
      if (round === 2) {
        await server.freeze();
        await until("a commit that does not know", async () => tally.unknown > 0);
        await server.thaw();
      } else await server.restart();
    }
    const target = tally.resolved + 20;
    await until("progress at last", async () => tally.resolved >= target);
    tally.stopped = true;
    await writers;
    const counted = Number(text(await read(store, "n")));
    expect(counted).toBeGreaterThanOrEqual(tally.resolved);
    expect(counted).toBeLessThanOrEqual(tally.resolved + tally.unknown);
  });

  it("a node's counter adds up over a gateway that dies and comes back", async () => {
    const store = bench.store();
    const warp = new Warp({ node: "a", store, deadlines: { store: "500ms" }, logger: silentLogger });
    warp.register("views:*", { ttl: "10m", merge: sum() });
    const outcomes = { resolved: 0, unknown: 0 };
    const add = async (): Promise<void> => {
      try {
        await warp.set("views:rome", 1, { hardTimeout: "5s" });
        outcomes.resolved += 1;
      } catch (error) {
        if (WarpError.has(error, "OUTCOME_UNKNOWN")) outcomes.unknown += 1;
      }
    };
    await add();
    const adding = Promise.all(Array.from({ length: 30 }, add));
    await server.restart();
    await adding;
    await until("another", async () => {
      await add();
      return outcomes.resolved > 1;
    });
    await until("the sum", async () => {
      const stored = new TextDecoder().decode((await read(store, "views:rome"))?.value?.subarray(1));
      const counted = Number(stored);
      return counted >= outcomes.resolved && counted <= outcomes.resolved + outcomes.unknown;
    });
    await warp.close();
  });

  it("what was acknowledged is there after a restart, and reads go on by themselves", async () => {
    const store = bench.store();
    const record = await put(store, "k", "x");
    await server.kill();
    // Refused, or cut off where a connection that was kept alive has not heard yet: then it might have landed.
    expect(await rejectionOf(store.commit(newOperation(), [putOf("new", "x")], { timeoutMs: 2_000 }))).toMatchObject({
      code: expect.stringMatching(/^(UNAVAILABLE|ECONNRESET)$/),
    });
    await server.restart();
    expect(await store.get("k", record.revision)).toBe("unchanged");
    expect(await read(store, "new")).toBeUndefined();
  });
});
