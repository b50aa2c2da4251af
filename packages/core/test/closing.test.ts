import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Warp, WarpOptions } from "../src/index.ts";
import { Cluster, gate, never, watched } from "./support/cluster.ts";
import { type Compiled, compiled } from "./support/compiled.ts";
import { failOnUnhandledRejections } from "./support/outcomes.ts";

failOnUnhandledRejections();

const refusing = async (): Promise<void> => {
  throw new Error("connection refused");
};

describe("close", () => {
  const calls: readonly (readonly [string, (warp: Warp) => unknown])[] = [
    ["register", (warp) => warp.register("x:*", { ttl: "1h" })],
    [
      "registerDynamicTtl",
      (warp) => warp.registerDynamicTtl("x:*", { strategy: { record: () => undefined, ttl: () => 1 } }),
    ],
    ["setQuorum", (warp) => warp.setQuorum("k:*", 1)],
    ["unregister", (warp) => warp.unregister("k:*")],
    ["ready", (warp) => warp.ready()],
    ["get", (warp) => warp.get("k:1")],
    ["find", (warp) => warp.find("k:1")],
    ["peek", (warp) => warp.peek("k:1")],
    ["getOrSet", (warp) => warp.getOrSet("k:1", () => 1)],
    ["getMany", (warp) => warp.getMany(["k:1"])],
    ["getMany of nothing", (warp) => warp.getMany([])],
    ["getOrSetMany", (warp) => warp.getOrSetMany(["k:1"], () => new Map())],
    ["set", (warp) => warp.set("k:1", 1)],
    ["set of a strong-local key", (warp) => warp.set("l:1", 1)],
    ["setMany", (warp) => warp.setMany([["k:1", 1]])],
    ["setMany of nothing", (warp) => warp.setMany([])],
    ["delete", (warp) => warp.delete("k:1")],
    ["invalidate", (warp) => warp.invalidate("k:1")],
    ["clear", (warp) => warp.clear()],
    ["warmup", (warp) => warp.warmup()],
    ["txn", (warp) => warp.txn()],
    ["transaction", (warp) => warp.transaction(() => 1)],
    ["getAt", (warp) => warp.getAt("k:1", 0)],
    ["inspect", (warp) => warp.inspect("k:1")],
    ["grantLease", (warp) => warp.grantLease({ ttl: "1m" })],
    ["flush", (warp) => warp.flush()],
  ];

  it.each(calls)("rejects new calls with CLOSED: %s", async (_, call) => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const a = await cluster.member("a", { store: store.port });
    a.register("l:*", { mode: "strong-local", ttl: "1h" });
    await cluster.run(a.set("k:1", 1));
    await cluster.run(a.close());
    store.calls.length = 0;
    const error = await cluster.failure((async () => call(a))());
    expect([...(error.errors?.values() ?? [error])].map(({ code }) => code)).toEqual(["CLOSED"]);
    expect(store.calls).toEqual([]);
  });

  it("ends a transaction that was begun before", async () => {
    const cluster = new Cluster();
    const a = await cluster.member("a");
    const txn = a.txn().set("k:1", 1);
    await cluster.run(a.close());
    expect((await cluster.failure(txn.commit())).code).toBe("CLOSED");
    expect((await cluster.failure(txn.get("k:1"))).code).toBe("CLOSED");
    expect(cluster.stored("k:1")).toBeUndefined();
  });

  it("still lets the node be looked at", async () => {
    const cluster = new Cluster();
    const a = await cluster.member("a");
    await cluster.run(a.close());
    expect(a.status().state).toBe("closed");
    expect(a.nodes()).toContain("a");
    const { done } = await cluster.run(a.publishErrors()[Symbol.asyncIterator]().next());
    expect(done).toBe(true);
  });

  it("waits for the calls that are under way", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const a = await cluster.member("a", { store: store.port });
    cluster.truth.changeOutside("k:read", new TextEncoder().encode("\u00017"));
    const { opened, open } = gate();
    store.faults.before = () => opened;
    const under = [
      a.set("k:1", 1),
      a.get("k:read"),
      a.getOrSet("k:made", () => "made"),
      a.txn().set("k:2", 2).commit(),
      a.setMany([["k:3", 3] as const]),
    ];
    await cluster.settle();
    let closed = false;
    const close = a.close().then(() => {
      closed = true;
    });
    await cluster.clock.advance(500);
    expect(closed).toBe(false);
    open();
    await cluster.run(close);
    const results = await cluster.run(Promise.all(under));
    expect(results).toEqual([1, 7, "made", undefined, new Map([["k:3", 3]])]);
    expect(cluster.stored("k:made")).toBe("made");
  });

  it("publishes what was changed, flushes what waits for the store, and says goodbye", async () => {
    const cluster = new Cluster();
    const [a, b] = [await cluster.member("a"), await cluster.member("b")];
    a.register("l:*", { mode: "strong-local", ttl: "1h" });
    await cluster.clock.advance(1_000);
    await cluster.run(b.set("k:1", "old"));
    await cluster.settle();
    expect(b.nodes()).toContain("a");
    const write = a.set("k:1", "new");
    await a.set("l:1", "behind");
    await cluster.run(a.close());
    await write;
    await cluster.settle();
    expect(cluster.stored("l:1")).toBe("behind");
    expect(b.peek("k:1")).toBeUndefined();
    expect(b.nodes()).toEqual(["b"]);
  });

  it("lets those who wait for room write before it ends", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const a = await cluster.member("a", { store: store.port, maxDirty: 1 });
    a.register("l:*", { mode: "strong-local", ttl: "1h" });
    const { opened, open } = gate();
    store.faults.before = (method) => (method === "commit" ? opened : undefined);
    const writes = [a.set("l:1", 1), a.set("l:2", 2), a.set("l:3", 3)];
    await cluster.settle();
    const close = a.close();
    open();
    await cluster.run(close);
    await cluster.run(Promise.all(writes));
    expect([cluster.stored("l:1"), cluster.stored("l:2"), cluster.stored("l:3")]).toEqual([1, 2, 3]);
    expect(cluster.clock.pending).toBe(0);
  });

  it("may be called again, at the same time and later: there is one end", async () => {
    const cluster = new Cluster();
    const bus = watched(cluster.bus());
    const a = await cluster.member("a", { bus: bus.port });
    bus.calls.length = 0;
    await cluster.run(Promise.all([a.close(), a.close()]));
    await cluster.run(a.close());
    expect(bus.calls).toEqual(["publish"]);
  });

  it("happens at the end of await using", async () => {
    const cluster = new Cluster();
    let warp: Warp | undefined;
    const block = async (): Promise<void> => {
      await using a = await cluster.member("a");
      warp = a;
      await a.set("k:1", 1);
    };
    await cluster.run(block());
    expect(warp?.status().state).toBe("closed");
  });

  it("takes no longer than it may: DEADLINE_EXCEEDED, closed all the same", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const a = await cluster.member("a", { store: store.port });
    a.register("l:*", { mode: "strong-local", ttl: "1h" });
    store.faults.before = refusing;
    await cluster.run(a.set("l:1", 1));
    const error = await cluster.failure(a.close({ timeout: "3s" }), 3_000);
    expect(error).toMatchObject({ code: "DEADLINE_EXCEEDED", operation: "close" });
    expect(a.status().state).toBe("closed");
    expect((await cluster.failure(a.close())).code).toBe("DEADLINE_EXCEEDED");
  });

  it("does not wait for a transport that never lets go", async () => {
    const cluster = new Cluster();
    const target = cluster.bus();
    const bus = new Proxy(target, {
      get: (_, name) => {
        if (name === "subscribe") {
          return async (...parameters: Parameters<typeof target.subscribe>) => {
            await target.subscribe(...parameters);
            return () => never;
          };
        }
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    const a = await cluster.member("a", { bus });
    expect((await cluster.failure(a.close({ timeout: "1s" }), 1_000)).code).toBe("DEADLINE_EXCEEDED");
  });

  it("ends the wait of those who never heard the bus", async () => {
    const cluster = new Cluster();
    const bus = watched(cluster.bus());
    bus.faults.before = refusing;
    const a = cluster.node("a", { bus: bus.port });
    const ready = cluster.failure(a.ready());
    await cluster.clock.advance(3_000);
    await cluster.run(a.close());
    expect((await ready).code).toBe("CLOSED");
  });

  it("closes only what Warp itself opened: a local cache that was given goes on", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const a = await cluster.member("a", { store: store.port });
    await cluster.run(a.close());
    expect(store.calls).not.toContain("close");
  });
});

describe("a node that has no say any more", () => {
  it("does not say goodbye, and is suspected as one that died", async () => {
    const cluster = new Cluster();
    const [a, b] = [await cluster.member("a"), await cluster.member("b")];
    await cluster.clock.advance(2_000);
    await cluster.run(b.set("k:1", "old"));
    await cluster.settle();
    cluster.network.disconnect("a");
    await cluster.run(a.set("k:1", "new"));
    expect((await cluster.failure(a.close({ timeout: "2s" }))).code).toBe("DEADLINE_EXCEEDED");
    expect(b.nodes()).toContain("a");
    await cluster.clock.advance(8_000);
    expect(b.peek("k:1")).toBeUndefined();
    await expect(cluster.run(b.get("k:1"))).resolves.toBe("new");
  });

  it("who said goodbye casts no doubt on anything", async () => {
    const cluster = new Cluster();
    const [a, b] = [await cluster.member("a"), await cluster.member("b")];
    await cluster.clock.advance(2_000);
    await cluster.run(b.set("k:1", "kept"));
    await cluster.settle();
    await cluster.run(a.close());
    await cluster.clock.advance(60_000);
    expect(b.peek("k:1")).toBe("kept");
    expect(b.status().suspects).toBe(0);
  });
});

describe("after close no timer is left", () => {
  const states: readonly (readonly [string, (cluster: Cluster) => Promise<Warp>])[] = [
    ["a local cache alone", async (cluster) => cluster.node("a")],
    [
      "a node with everything",
      async (cluster) => {
        const a = await cluster.member("a", { sharedCache: cluster.sharedCache() });
        await cluster.clock.advance(5_000);
        await cluster.run(a.set("k:1", 1));
        const lease = await cluster.run(a.grantLease({ ttl: "1h" }));
        await cluster.run(a.attachKey(lease, "k:1"));
        return a;
      },
    ],
    [
      "one whose store is down, with writes that wait for it",
      async (cluster) => {
        const store = watched(cluster.store());
        const a = await cluster.member("a", { store: store.port });
        a.register("l:*", { mode: "strong-local", ttl: "1h" });
        store.faults.before = refusing;
        await cluster.run(a.set("l:1", 1));
        await cluster.failure(a.get("k:1"));
        return a;
      },
    ],
    [
      "one whose store never answers",
      async (cluster) => {
        const store = watched(cluster.store());
        const a = await cluster.member("a", { store: store.port });
        store.faults.before = () => never;
        await cluster.failure(a.set("k:1", 1, { hardTimeout: 10 }));
        return a;
      },
    ],
    [
      "one whose bus is down, with news that wait for it",
      async (cluster) => {
        const a = await cluster.member("a");
        cluster.network.disconnect("a");
        await cluster.run(a.set("k:1", 1));
        await cluster.clock.advance(10_000);
        return a;
      },
    ],
    [
      "one that never heard its bus",
      async (cluster) => {
        const bus = watched(cluster.bus());
        bus.faults.before = refusing;
        const a = cluster.node("a", { bus: bus.port });
        await cluster.clock.advance(1_000);
        return a;
      },
    ],
    [
      "one whose shared tier is down",
      async (cluster) => {
        const shared = watched(cluster.sharedCache());
        shared.faults.before = (method) => (method === "onRollback" ? undefined : refusing());
        const a = await cluster.member("a", { sharedCache: shared.port });
        await cluster.run(a.set("k:1", 1));
        await cluster.clock.advance(1_000);
        return a;
      },
    ],
    [
      "one of whose peers vanished",
      async (cluster) => {
        const a = await cluster.member("a", { store: cluster.store({ landsWithinMs: 60_000 }) });
        await cluster.member("b");
        await cluster.clock.advance(2_000);
        cluster.network.faults.drop = ({ from }) => from === "b";
        await cluster.clock.advance(7_000);
        cluster.network.disconnect("b");
        return a;
      },
    ],
  ];

  it.each(states)("%s", async (_, open) => {
    const cluster = new Cluster();
    const others: Warp[] = [];
    const member = cluster.member.bind(cluster);
    cluster.member = async (name: string, options?: WarpOptions) => {
      const warp = await member(name, options);
      if (name !== "a") others.push(warp);
      return warp;
    };
    const a = await open(cluster);
    await cluster.run(a.close({ timeout: "5s" }).catch(() => undefined));
    for (const other of others) await cluster.run(other.close({ timeout: "5s" }).catch(() => undefined));
    // What is on its way in the network, and the deadline of a call that was made before.
    await cluster.clock.advance(2_500);
    expect(cluster.clock.pending).toBe(0);
  });
});

describe("a process with a node in it", () => {
  let core: Compiled;
  beforeAll(async () => {
    core = await compiled();
  });
  afterAll(() => core.remove());

  const run = async (script: string): Promise<string> => {
    const head = `import * as core from ${JSON.stringify(core.index)}; const { Warp, MemoryStore, MemoryNetwork, MemoryBus, MemorySharedCache, silentLogger } = core;
      const logger = silentLogger; const everything = () => ({ logger, store: new MemoryStore(), bus: new MemoryBus(new MemoryNetwork()), sharedCache: new MemorySharedCache() });`;
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", head + script], {
      timeout: 20_000,
    });
    return stdout;
  };

  it("exits by itself after close", async () => {
    const stdout = await run(`
      const warp = new Warp(everything());
      warp.register("k:*", { ttl: "1h", eagerRefresh: 0.1 });
      warp.register("l:*", { ttl: "1h", mode: "strong-local" });
      await warp.ready();
      await warp.set("k:1", 1); await warp.set("l:1", 1); await warp.getOrSet("k:2", () => 2); await warp.get("k:1");
      await warp.close();
      process.on("exit", () => console.log("exits", process.getActiveResourcesInfo().filter((name) => name === "Timeout").length));
    `);
    expect(stdout).toBe("exits 0\n");
  });

  it("exits by itself without close where nothing is under way: no timer of a node keeps it alive", async () => {
    const stdout = await run(`
      const warp = new Warp(everything());
      warp.register("k:*", { ttl: "1h" });
      await warp.ready();
      await warp.set("k:1", 1);
      process.on("exit", () => console.log("exits"));
    `);
    expect(stdout).toBe("exits\n");
  });

  it("stays as long as somebody waits for a lock", async () => {
    const stdout = await run(`
      const warp = new Warp(everything());
      warp.register("s:*", { mode: "strong-distributed", ttl: "1h" });
      await warp.ready();
      await warp.lock("s:1", { ttl: 300 });
      const next = await warp.lock("s:1", { ttl: "1h" });
      console.log(typeof next.token);
      await warp.close();
    `);
    expect(stdout).toBe("bigint\n");
  });

  it("exits by itself after a close that ran out of time", async () => {
    const stdout = await run(`
      const store = new MemoryStore({ pause: async () => { throw new Error("down"); } });
      const warp = new Warp({ logger, store });
      warp.register("l:*", { ttl: "1h", mode: "strong-local" });
      await warp.set("l:1", 1);
      await warp.close({ timeout: 100 }).catch((error) => console.log(error.code));
    `);
    expect(stdout).toBe("DEADLINE_EXCEEDED\n");
  });
});

describe("flush", () => {
  it("resolves once the store and the bus have everything", async () => {
    const cluster = new Cluster();
    const [a, b] = [await cluster.member("a"), await cluster.member("b")];
    a.register("l:*", { mode: "strong-local", ttl: "1h" });
    await cluster.run(b.set("k:1", "old"));
    await cluster.settle();
    for (let index = 0; index < 100; index++) await a.set(`l:${index}`, index);
    await cluster.run(a.set("k:1", "new"));
    await cluster.run(a.flush());
    expect(a.status()).toMatchObject({ dirty: 0, outbox: 0, state: "open" });
    expect(cluster.stored("l:99")).toBe(99);
    await cluster.settle();
    expect(b.peek("k:1")).toBeUndefined();
  });

  it("is bounded: DEADLINE_EXCEEDED, and what waits goes on waiting", async () => {
    const cluster = new Cluster();
    const a = await cluster.member("a");
    cluster.network.disconnect("a");
    await cluster.run(a.set("k:1", 1));
    const error = await cluster.failure(a.flush({ timeout: "1s" }), 1_000);
    expect(error).toMatchObject({ code: "DEADLINE_EXCEEDED", operation: "flush" });
    expect(a.status().outbox).toBeGreaterThan(0);
    cluster.network.reconnect("a");
    await cluster.run(a.flush());
    expect(a.status().outbox).toBe(0);
  });

  it("ends although others go on writing", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const a = await cluster.member("a", { store: store.port });
    a.register("l:*", { mode: "strong-local", ttl: "1h" });
    store.faults.before = () => new Promise((resolve) => void cluster.clock.schedule(20, resolve));
    let writing = true;
    const write = (key: string): void => {
      if (writing) void a.set(key, 1).then(() => void cluster.clock.schedule(3, () => write(key)));
    };
    for (const key of ["k:1", "k:2", "l:1", "l:2"]) write(key);
    await cluster.clock.advance(100);
    await cluster.run(a.flush(), 2_000);
    writing = false;
    await cluster.clock.advance(1_000);
  });
});
