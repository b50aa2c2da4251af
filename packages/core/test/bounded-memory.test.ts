import { describe, expect, it } from "@jest/globals";
import { MemoryCache, type WarpOptions } from "../src/index.ts";
import { Node } from "../src/node.ts";
import { registrationFor } from "../src/paths/context.ts";
import { readKey } from "../src/paths/read.ts";
import type { ReadRequest } from "../src/paths/waiting.ts";
import { setKey } from "../src/paths/write.ts";
import { failOnUnhandledRejections, failureOf, watch } from "./support/outcomes.ts";
import { ReadWorld } from "./support/read-world.ts";
import { settle } from "./support/virtual-clock.ts";

failOnUnhandledRejections();

/** What a node holds of loads, fills, locks and background work. All of it belongs to calls under way. */
const held = ({ context }: Node): Record<string, number> => ({
  flights: context.flights.size,
  fills: context.fills.size,
  locks: context.locks.size,
  background: context.background.size,
});
const nothing = { flights: 0, fills: 0, locks: 0, background: 0 };

const nodeOf = async (world: ReadWorld, options: WarpOptions = {}): Promise<Node> => {
  const node = new Node({
    clock: world.clock,
    random: world.random,
    store: world.store,
    sharedCache: world.shared,
    logger: { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined },
    ...options,
  });
  await settle();
  return node;
};

const request = (more: Partial<ReadRequest> = {}): ReadRequest => ({
  operation: "getOrSet",
  loader: undefined,
  persist: "none",
  forced: false,
  signal: undefined,
  timeoutMs: undefined,
  ...more,
});

// docs/pitfalls.md, 26: maps that only grow.
describe("what a node holds once every call has ended", () => {
  it("20 000 distinct keys leave no load, no fill, no lock and no work behind", async () => {
    const world = new ReadWorld();
    const node = await nodeOf(world, { localCache: new MemoryCache({ maxEntries: 1_000, clock: world.clock }) });
    node.registrations.registerFixed("*", { ttl: "1h", negativeTtl: "1h" });
    const batch = 5_000;
    for (let from = 0; from < 20_000; from += batch) {
      const calls = Array.from({ length: batch }, (_, index) => {
        const key = `key-${from + index}`;
        return index % 2 === 0
          ? readKey(node.context, key, request({ loader: () => key }))
          : readKey(node.context, key, request({ operation: "find" }));
      });
      await Promise.all(calls);
    }
    await settle();
    expect(held(node)).toEqual(nothing);
    expect(node.context.local?.stats.entries).toBeLessThanOrEqual(1_000);
    expect(world.clock.pending).toBeLessThan(10);
  });

  it("loads that failed, timed out, were aborted, overtaken or refused leave nothing behind either", async () => {
    const world = new ReadWorld();
    const node = await nodeOf(world, { localCache: new MemoryCache({ isolate: "clone", clock: world.clock }) });
    node.registrations.registerFixed("*", { ttl: "1s", failSafe: "1h", softTimeout: 10 });
    const { context } = node;
    const calls: { readonly state: string }[] = [];
    const run = (key: string, more: Partial<ReadRequest>): void => {
      calls.push(watch(readKey(context, key, request(more))));
    };
    const controller = new AbortController();
    for (let index = 0; index < 100; index++) {
      run(`fails-${index}`, { loader: () => Promise.reject(new Error("down")) });
      run(`hangs-${index}`, { loader: () => new Promise(() => undefined) });
      run(`aborts-${index}`, { loader: () => new Promise(() => undefined), signal: controller.signal });
      run(`late-${index}`, { loader: () => new Promise(() => undefined), timeoutMs: 20 });
      run(`odd-${index}`, { loader: () => 1n, persist: "store" });
    }
    await settle();
    controller.abort();
    context.fills.voidAll();
    world.storeFaults.mode = "silent";
    world.sharedFaults.mode = "silent";
    for (let index = 0; index < 100; index++) run(`silent-${index}`, { operation: "get" });
    await world.clock.advance(31_000);
    world.storeFaults.mode = "refuses";
    world.sharedFaults.mode = "refuses";
    for (let index = 0; index < 100; index++) run(`refused-${index}`, { operation: "get" });
    await world.clock.advance(60_000);
    expect(calls.filter(({ state }) => state === "pending")).toEqual([]);
    expect(held(node)).toEqual(nothing);
  });

  it("a set that its local tier refuses leaves no fill behind", async () => {
    const world = new ReadWorld();
    const localCache = new MemoryCache({ isolate: "clone", clock: world.clock });
    const node = new Node({ clock: world.clock, localCache });
    node.registrations.registerFixed("k", { ttl: "1h" });
    const registration = registrationFor(node.context, "k", "set");
    const plain = { operation: "set", signal: undefined, timeoutMs: undefined, op: undefined };
    for (let attempt = 0; attempt < 10; attempt++) {
      const call = setKey(node.context, registration, "k", () => attempt, plain);
      expect(await failureOf(call)).toMatchObject({ code: "INVALID_VALUE" });
    }
    expect(held(node)).toEqual(nothing);
  });

  it("keys without a registration, and bad keys, are not remembered", async () => {
    const world = new ReadWorld();
    const node = await nodeOf(world);
    for (let index = 0; index < 10_000; index++)
      await readKey(node.context, `key-${index}`, request({ operation: "get" })).catch(() => undefined);
    expect(held(node)).toEqual(nothing);
  });

  it("the labels of the metrics do not grow with the patterns that were ever registered", async () => {
    const world = new ReadWorld();
    const warp = world.node({ store: false });
    for (let index = 0; index < 3_000; index++) {
      warp.register(`pattern-${index}:*`, { ttl: "1h" });
      await warp.unregister(`pattern-${index}:*`);
    }
    for (const { samples } of world.metrics.families()) expect(samples.length).toBeLessThan(4_000);
  });

  it("signals that callers keep for long are left without listeners", async () => {
    // docs/pitfalls.md, 26: a listener leaked per request.
    const world = new ReadWorld();
    const warp = world.node();
    warp.register("k*", { ttl: "1h" });
    const controller = new AbortController();
    let listeners = 0;
    const { signal } = controller;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    Object.assign(signal, {
      addEventListener: (...given: Parameters<typeof add>) => {
        listeners++;
        add(...given);
      },
      removeEventListener: (...given: Parameters<typeof remove>) => {
        listeners--;
        remove(...given);
      },
    });
    for (let index = 0; index < 100; index++) {
      await warp.getOrSet(`k${index}`, () => index, { signal });
      await warp.find(`k-none-${index}`, { signal, hardTimeout: 100 });
      await warp.getMany([`k${index}`, `k-no-${index}`], { signal });
      await warp.getOrSet(`k-bad-${index}`, () => Promise.reject(new Error("down")), { signal }).catch(() => undefined);
    }
    expect(listeners).toBe(0);
    expect(world.clock.pending).toBeLessThan(10);
  });
});
