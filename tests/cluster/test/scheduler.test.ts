import { describe, expect, it } from "@jest/globals";
import { MemoryBus, MemoryNetwork, MemoryStore, MemoryStoreData, type StoredRecord } from "@warp/core";
import { Scheduler, simulationEpoch } from "../src/index.ts";

/** Three nodes that write one key conditionally and tell each other; what each heard, and what the key went through. */
async function threeWriters(scheduler: Scheduler) {
  const server = scheduler.clock({ label: "server" });
  const data = new MemoryStoreData();
  const latency = scheduler.random("latency");
  const network = new MemoryNetwork({
    clock: server,
    random: scheduler.random("network"),
    latencyMs: () => latency.next() * 3,
  });
  const heard: string[] = [];
  const write = async (label: string) => {
    const clock = scheduler.clock({ label });
    const bus = new MemoryBus(network, { clock });
    const store = new MemoryStore({ clock: server, data, pause: scheduler.pause(label, { clock }) });
    await bus.subscribe(label, {
      onFrame: ([from, turn]) => heard.push(`${label}:${from}:${turn}`),
      onGap: () => undefined,
    });
    for (let turn = 0; turn < 5; turn++) {
      const current = (await store.get("k")) as StoredRecord | undefined;
      const put = {
        kind: "put",
        key: "k",
        expected: current?.revision,
        value: new Uint8Array([turn]),
        timestamp: { micros: 0, node: label },
        history: undefined,
        ttlMs: undefined,
      } as const;
      await store.commit(scheduler.random(label).id(), [put]).catch(() => undefined);
      await bus.publish(new Uint8Array([label.charCodeAt(0), turn]));
    }
  };
  await scheduler.complete(Promise.all(["a", "b", "c"].map(write)));
  await scheduler.settle();
  return { heard, operations: data.current("k")?.operations };
}

describe("the same seed", () => {
  it("gives the same run, and other seeds give other runs", async () => {
    const seeds = [1, 2, 3, 4, 5];
    const runs = async () => {
      const results: string[] = [];
      for (const seed of seeds) {
        const scheduler = new Scheduler(seed);
        const outcome = await threeWriters(scheduler);
        results.push(JSON.stringify({ trace: scheduler.traceHash(), outcome }));
      }
      return results;
    };
    const first = await runs();
    expect(await runs()).toEqual(first);
    expect(new Set(first.map((result) => JSON.parse(result).trace)).size).toBe(seeds.length);
  });

  it("gives the same ids, and a stream by name is not moved by another", () => {
    const [one, other] = [new Scheduler(7), new Scheduler(7)];
    other.random("b").next();
    const ids = Array.from({ length: 100 }, () => one.random("a").id());
    expect(Array.from({ length: 100 }, () => other.random("a").id())).toEqual(ids);
    expect(new Set([...ids, ...Array.from({ length: 100 }, () => one.random("b").id())]).size).toBe(200);
    for (const id of ids) expect(id).toMatch(/^[\w-]{22}$/);
    const draws = Array.from({ length: 1_000 }, () => one.random("c").next());
    expect(draws.every((draw) => draw >= 0 && draw < 1)).toBe(true);
    expect(draws.reduce((sum, draw) => sum + draw) / 1_000).toBeCloseTo(0.5, 1);
  });
});

describe("timers", () => {
  it("fire in the order they are due, and never synchronously", async () => {
    const scheduler = new Scheduler(1);
    const clock = scheduler.clock();
    const fired: number[] = [];
    for (const ms of [30, 0, 20, 10]) clock.schedule(ms, () => fired.push(ms));
    expect(fired).toEqual([]);
    await scheduler.settle();
    expect(fired).toEqual([0, 10, 20, 30]);
    expect(scheduler.nowMs).toBe(30);
  });

  it("due together fire in an order that the seed chooses", async () => {
    const orders = new Set<string>();
    for (let seed = 0; seed < 40; seed++) {
      const scheduler = new Scheduler(seed);
      const clock = scheduler.clock();
      const fired: string[] = [];
      for (const name of ["x", "y", "z"]) clock.schedule(5, () => fired.push(name));
      await scheduler.settle();
      orders.add(fired.join(""));
    }
    expect(orders.size).toBe(6);
  });

  it("wait until every promise and tick that an earlier one set in motion is done", async () => {
    const scheduler = new Scheduler(1);
    const clock = scheduler.clock();
    const log: string[] = [];
    const work = async () => {
      for (let index = 0; index < 50; index++) await undefined;
      await new Promise<void>((resolve) => process.nextTick(() => process.nextTick(resolve)));
      for (let index = 0; index < 50; index++) await undefined;
      log.push("first done");
    };
    clock.schedule(1, () => void work());
    clock.schedule(1.001, () => log.push("second"));
    await scheduler.settle();
    expect(log).toEqual(["first done", "second"]);
  });

  it("that are cancelled do not fire, however many, and cancelling late or twice does nothing", async () => {
    const scheduler = new Scheduler(1);
    const clock = scheduler.clock();
    const chance = scheduler.random("which");
    const fired: number[] = [];
    const expected: number[] = [];
    for (let index = 0; index < 2_000; index++) {
      const cancel = clock.schedule(chance.next() * 1_000, () => fired.push(index));
      if (chance.next() < 0.9) {
        cancel();
        cancel();
      } else expected.push(index);
    }
    const cancelFired = clock.schedule(0, () => undefined);
    await scheduler.settle();
    cancelFired();
    expect(fired.toSorted((a, b) => a - b)).toEqual(expected);
  });

  it("of infinite delay never fire, and one of no number is refused", async () => {
    const scheduler = new Scheduler(1);
    scheduler.clock().schedule(Number.POSITIVE_INFINITY, () => expect("fired").toBe("never"));
    await scheduler.settle();
    expect(() => scheduler.clock().schedule(Number.NaN, () => undefined)).toThrow(RangeError);
  });
});

describe("a clock", () => {
  it("is skewed and drifts, and its wall clock may jump while its monotonic one does not", async () => {
    const scheduler = new Scheduler(1);
    const right = scheduler.clock();
    const wrong = scheduler.clock({ skewMs: -3_600_000, driftPerMs: 0.5 });
    const [rightStart, wrongStart] = [right.monotonic(), wrong.monotonic()];
    await scheduler.advance(1_000);
    expect(right.now()).toBe(simulationEpoch + 1_000);
    expect(wrong.now()).toBe(simulationEpoch + 1_500 - 3_600_000);
    expect([right.monotonic() - rightStart, wrong.monotonic() - wrongStart]).toEqual([1_000, 1_500]);
    wrong.setSkew(0);
    expect(wrong.now()).toBe(simulationEpoch + 1_500);
    expect(wrong.monotonic() - wrongStart).toBe(1_500);
    wrong.schedule(300, () => undefined);
    await scheduler.settle();
    expect(scheduler.nowMs).toBe(1_200);
  });

  it("of a frozen process holds its timers until it is thawed", async () => {
    const scheduler = new Scheduler(1);
    const [clock, other] = [scheduler.clock(), scheduler.clock()];
    const fired: string[] = [];
    clock.schedule(10, () => fired.push(`held at ${scheduler.nowMs}`));
    const cancel = clock.schedule(10, () => fired.push("cancelled while held"));
    other.schedule(20, () => fired.push("other"));
    scheduler.freeze(clock);
    await scheduler.settle();
    await scheduler.advance(80);
    cancel();
    expect(fired).toEqual(["other"]);
    scheduler.thaw(clock);
    await scheduler.settle();
    expect(fired).toEqual(["other", "held at 100"]);
  });

  it("of a crashed process never fires again", async () => {
    const scheduler = new Scheduler(1);
    const clock = scheduler.clock();
    const cancel = clock.schedule(10, () => expect("fired").toBe("never"));
    scheduler.crash(clock);
    clock.schedule(10, () => expect("fired").toBe("never"));
    scheduler.thaw(clock);
    await scheduler.settle();
    cancel();
    await expect(scheduler.run({ until: () => false })).rejects.toThrow("no timer will bring");
  });

  it("of a frozen process also holds the frames and replies that come for it, in order", async () => {
    const scheduler = new Scheduler(1);
    const clock = scheduler.clock({ label: "a" });
    const server = scheduler.clock();
    const network = new MemoryNetwork({ clock: server });
    const bus = new MemoryBus(network, { clock });
    const heard: number[] = [];
    const data = new MemoryStoreData();
    const store = new MemoryStore({ clock: server, data, pause: scheduler.pause("a", { clock }) });
    await bus.subscribe("a", { onFrame: ([number]) => heard.push(number as number), onGap: () => undefined });
    let replied = false;
    const put = {
      kind: "delete",
      key: "k",
      expected: undefined,
      timestamp: { micros: 0, node: "a" },
      history: undefined,
    } as const;
    void store.commit("op", [put]).then(() => {
      replied = true;
    });
    scheduler.freeze(clock);
    for (let number = 0; number < 20; number++) await bus.publish(new Uint8Array([number]));
    await scheduler.advance(1_000);
    expect([heard, replied, data.current("k")?.revision]).toEqual([[], false, "op"]);
    scheduler.thaw(clock);
    await scheduler.settle();
    expect(heard).toEqual(Array.from({ length: 20 }, (_, number) => number));
    expect(replied).toBe(true);
  });
});

describe("a run", () => {
  it("fails when nothing can move it on", async () => {
    const scheduler = new Scheduler(1);
    scheduler.note("waiting for nothing");
    await expect(scheduler.complete(new Promise(() => undefined))).rejects.toThrow(
      /no timer will bring.*waiting for nothing/s,
    );
  });

  it("fails when its virtual time is over", async () => {
    const scheduler = new Scheduler(1);
    const clock = scheduler.clock();
    const beat = () => void clock.schedule(1_000, beat, true);
    beat();
    await expect(scheduler.run({ until: () => false, maxVirtualMs: 5_000 })).rejects.toThrow("5000 ms of virtual time");
  });

  it("fails when timers fire for ever and time does not pass", async () => {
    const scheduler = new Scheduler(1);
    const clock = scheduler.clock();
    const spin = () => void clock.schedule(0, spin);
    spin();
    await expect(scheduler.settle()).rejects.toThrow("without time passing");
  });

  it("fails when a timer throws, with the cause", async () => {
    const scheduler = new Scheduler(1);
    const cause = new Error("out of cheese");
    scheduler.clock({ label: "node a" }).schedule(3, () => {
      throw cause;
    });
    await expect(scheduler.settle()).rejects.toMatchObject({ message: "a timer of node a threw at 3 ms", cause });
  });

  it("settles when only background timers are left, and advances past them", async () => {
    const scheduler = new Scheduler(1);
    const clock = scheduler.clock();
    let beats = 0;
    const beat = () => {
      beats++;
      clock.schedule(1_000, beat, true);
    };
    beat();
    clock.schedule(2_500, () => undefined);
    await scheduler.settle();
    expect([scheduler.nowMs, beats]).toEqual([2_500, 3]);
    await scheduler.advance(10_000);
    expect([scheduler.nowMs, beats]).toEqual([12_500, 13]);
  });

  it("completes as its promise does", async () => {
    const scheduler = new Scheduler(1);
    expect(await scheduler.complete(scheduler.delay(1_000).then(() => "done"))).toBe("done");
    const failing = scheduler.delay(1_000).then(() => Promise.reject(new Error("refused")));
    await expect(scheduler.complete(failing)).rejects.toThrow("refused");
  });
});

describe("a pause", () => {
  const record = { key: "k", expected: undefined, timestamp: { micros: 0, node: "a" }, history: undefined };
  const mutations = [{ kind: "delete", ...record }] as const;

  it("takes up to its longest time in each half, and sometimes none", async () => {
    const scheduler = new Scheduler(1);
    const pause = scheduler.pause("calls", { maxMs: 10 });
    const took: number[] = [];
    for (let call = 0; call < 200; call++) {
      const start = scheduler.nowMs;
      await scheduler.complete(Promise.resolve(pause("request")));
      took.push(scheduler.nowMs - start);
    }
    expect(took.every((ms) => ms >= 0 && ms <= 10)).toBe(true);
    expect([took.includes(0), took.some((ms) => ms > 9)]).toEqual([true, true]);
  });

  it("loses requests before their effect and replies after it", async () => {
    const scheduler = new Scheduler(1);
    const loss = { loseRequest: 1, loseReply: 0 };
    const store = new MemoryStore({ clock: scheduler.clock(), pause: scheduler.pause("store", loss) });
    await expect(scheduler.complete(store.commit("one", mutations))).rejects.toThrow("store: request lost");
    Object.assign(loss, { loseRequest: 0, loseReply: 1 });
    await expect(scheduler.complete(store.commit("two", mutations))).rejects.toThrow("store: reply lost");
    Object.assign(loss, { loseReply: 0 });
    expect(await scheduler.complete(store.get("k"))).toMatchObject({ operations: ["two"] });
  });

  it("that is silent leaves a lost call unanswered", async () => {
    const scheduler = new Scheduler(1);
    const pause = scheduler.pause("store", { loseReply: 1, silent: true });
    const store = new MemoryStore({ clock: scheduler.clock(), pause });
    await expect(scheduler.complete(store.get("k"))).rejects.toThrow("no timer will bring");
  });
});
