import { describe, expect, it } from "@jest/globals";
import { MemoryCache, type RegisterOptions, Warp, WarpError, type WarpOptions } from "../src/index.ts";
import { Cluster, sum, watched } from "./support/cluster.ts";
import { failOnUnhandledRejections } from "./support/outcomes.ts";

failOnUnhandledRejections();

const thrownBy = (work: () => unknown): WarpError => {
  try {
    work();
  } catch (error) {
    if (WarpError.is(error)) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
};

/** The wrong value, and what of it, of the field and of the accepted ones the message says. */
type Case = readonly [field: string, value: unknown, message: RegExp];

const duration = (field: string, kind: string): RegExp =>
  new RegExp(`^${field} must be milliseconds or .*; got ${kind}`);
const cluster = new Cluster();

const wrongOptions: readonly Case[] = [
  ["localCache", true, /^localCache must be an object with methods "get", .*; got boolean true/],
  ["localCache", null, /^localCache must be .*; got null/],
  ["localCache", new Map(), /^localCache.entries|^localCache speaks version undefined/],
  ["sharedCache", {}, /^sharedCache.read must be a function; got undefined/],
  ["sharedCache", false, /^sharedCache must be .*; got boolean false/],
  ["store", "postgres://", /^store must be an object with methods "get", .*; got "postgres:\/\/"/],
  ["store", { ...methods("get", "getMany", "commit", "keys"), portVersion: 1 }, /^store.now must be a function/],
  [
    "store",
    { ...methods("get", "getMany", "commit", "keys", "now"), portVersion: 1 },
    /^store.atomicBatch must be true or false; got undefined/,
  ],
  ["bus", { ...methods("publish", "subscribe"), portVersion: 1 }, /^bus.maxFrameBytes must be a number of bytes/],
  ["merge", () => 1, /^merge must be .*; got function/],
  ["merge", { portVersion: 1, merge: () => 1 }, /^merge.readsCurrent must be true or false; got undefined/],
  ["codec", { encode: () => 1 }, /^codec.decode must be a function; got undefined/],
  ["metrics", {}, /^metrics.attach must be a function/],
  ["logger", { info: () => undefined }, /^logger.debug must be a function/],
  ["tracer", 1, /^tracer must be .*; got number 1/],
  ["clock", { now: () => 1 }, /^clock.monotonic must be a function/],
  ["random", Math.random, /^random must be .*; got function/],
  ["onCacheError", "ignore", /^onCacheError must be "miss" or "reject"; got "ignore"/],
  ["onCacheError", null, /^onCacheError must be .*; got null/],
  ["whileDeaf", false, /^whileDeaf must be "revalidate" or "serve" or "bypass"; got boolean false/],
  ["deadlines", 5, /deadlines must be an object; got number 5/],
  ["deadlines", null, /deadlines must be an object; got null/],
  ["deadlines", { cash: 1 }, /^deadlines has no option "cash"; there are cache, store, bus, loader, quorum/],
  ["deadlines", { cache: 0 }, duration("deadlines.cache", "number 0")],
  ["deadlines", { store: "2 seconds" }, duration("deadlines.store", '"2 seconds"')],
  ["deadlines", { bus: null }, duration("deadlines.bus", "null")],
  ["deadlines", { loader: Number.POSITIVE_INFINITY }, duration("deadlines.loader", "number Infinity")],
  ["deadlines", { quorum: Number.NaN }, duration("deadlines.quorum", "number NaN")],
  ["publishTimeout", -1, duration("publishTimeout", "number -1")],
  ["publishTimeout", {}, duration("publishTimeout", "an object")],
  ["memberTimeout", "1s", /^memberTimeout must be .*at least 10000 ms; got "1s"/],
  ["memberTimeout", null, duration("memberTimeout", "null")],
  ["maxDirty", 0, /^maxDirty must be a whole number of at least 1; got number 0/],
  ["maxDirty", "10", /^maxDirty must be .*; got "10"/],
  ["maxDirty", 1.5, /^maxDirty must be .*; got number 1.5/],
  ["cluster", "", /^cluster must be 1 to 128 letters, .*; got ""/],
  ["cluster", "a b", /^cluster must be .*; got "a b"/],
  ["node", 7, /^node must be .*; got number 7/],
  ["node", null, /^node must be .*; got null/],
  ["node", "x".repeat(129), /^node must be .*; got a string of 129 characters/],
  ["secret", "short", /^secret must be a string or a Uint8Array of at least 16 bytes; got a string of 5 characters$/],
  ["secret", 1234567890123456, /^secret must be .*; got a value of type number$/],
  ["secret", new Uint8Array(15), /^secret must be .*; got 15 bytes$/],
  ["secret", null, /^secret must be /],
  ["localcache", false, /^Warp has no option "localcache"; there are localCache, /],
];

function methods(...names: readonly string[]): Record<string, () => undefined> {
  return Object.fromEntries(names.map((name) => [name, () => undefined]));
}

describe("a constructor option", () => {
  it.each(wrongOptions)(
    "%s: %p is INVALID_ARGUMENT, naming it, what it is and what is accepted",
    (field, value, message) => {
      const error = thrownBy(() => new Warp({ [field]: value } as WarpOptions));
      if (error.code === "UNSUPPORTED") expect(field).toBe("localCache");
      else expect(error.code).toBe("INVALID_ARGUMENT");
      expect(error.message).toMatch(message);
    },
  );

  it("never shows a secret", () => {
    expect(thrownBy(() => new Warp({ secret: "hunter2" })).message).not.toContain("hunter2");
  });

  it("that is left out or undefined has its default", async () => {
    const warp = new Warp({ localCache: undefined, deadlines: undefined, node: undefined } as unknown as WarpOptions);
    expect(warp.status().ports).toEqual({
      localCache: "up",
      sharedCache: "absent",
      store: "absent",
      bus: "absent",
      changeFeed: "absent",
    });
    expect(warp.nodes()[0]).toMatch(/^[\w-]{22}$/);
    await warp.close();
  });

  it("may be given once: publishTimeout is deadlines.bus", () => {
    const error = thrownBy(() => new Warp({ publishTimeout: "1s", deadlines: { bus: "1s" } }));
    expect(error.code).toBe("INVALID_ARGUMENT");
    expect(error.message).toContain("publishTimeout");
    expect(error.message).toContain("deadlines.bus");
  });

  it.each([5, null, "options"])("as a whole must be an object, not %p", (options) => {
    expect(thrownBy(() => new Warp(options as never)).code).toBe("INVALID_ARGUMENT");
  });

  it.each([
    ["store", cluster.store(), "@warp/store-pg"],
    ["sharedCache", cluster.sharedCache(), "@warp/cache-redis"],
    ["bus", cluster.bus(), "@warp/bus-nats"],
    ["localCache", new MemoryCache(), "your localCache"],
    ["merge", sum, "@warp/merge"],
  ] as const)("that is a port of another version is UNSUPPORTED, naming both packages: %s", (field, port, from) => {
    const newer = new Proxy(port, {
      get: (target, name) => (name === "portVersion" ? 2 : Reflect.get(target, name, target)),
    });
    const error = thrownBy(() => new Warp({ [field]: newer }));
    expect(error.code).toBe("UNSUPPORTED");
    expect(error.message).toContain("@warp/core");
    expect(error.message).toContain(from);
    expect(error.message).toContain("version 2");
  });

  it("does no I/O", () => {
    const store = watched(cluster.store());
    const shared = watched(cluster.sharedCache());
    const bus = watched(cluster.bus());
    cluster.node("a", { store: store.port, sharedCache: shared.port, bus: bus.port });
    expect([...store.calls, ...bus.calls, ...shared.calls.filter((method) => method !== "onRollback")]).toEqual([]);
  });
});

const wrongPolicies: readonly Case[] = [
  ["ttl", undefined, duration("ttl", "undefined")],
  ["ttl", 0, duration("ttl", "number 0")],
  ["ttl", "soon", duration("ttl", '"soon"')],
  ["ttl", null, duration("ttl", "null")],
  ["mode", "strong", /^mode must be "strong-local" or "eventual-distributed" or "strong-distributed"; got "strong"/],
  ["merge", "sum", /^merge must be .*; got "sum"/],
  ["merge", { portVersion: 1, readsCurrent: true }, /^merge.merge must be a function/],
  ["codec", {}, /^codec.encode must be a function/],
  ["history", true, /history must be an object; got boolean true/],
  ["history", null, /history must be an object; got null/],
  ["history", { depth: 3 }, /^history has no option "depth"; there are versions, maxAge/],
  ["history", { versions: 0 }, /^history.versions must be a whole number of at least 1; got number 0/],
  ["history", { maxAge: 0 }, duration("history.maxAge", "number 0")],
  ["failSafe", true, duration("failSafe", "boolean true")],
  ["failSafe", null, duration("failSafe", "null")],
  ["failSafe", {}, duration("failSafe.for", "undefined")],
  ["failSafe", { for: "1h", suspects: "yes" }, /^failSafe.suspects must be true or false; got "yes"/],
  ["failSafe", { for: "1h", suspect: true }, /^failSafe has no option "suspect"; there are for, suspects, throttle/],
  ["failSafe", { for: "1h", throttle: -1 }, duration("failSafe.throttle", "number -1")],
  ["failSafe", { for: "1h", throttle: null }, duration("failSafe.throttle", "null")],
  ["softTimeout", 0, duration("softTimeout", "number 0")],
  ["hardTimeout", "never", duration("hardTimeout", '"never"')],
  ["eagerRefresh", 1, /^eagerRefresh must be a number from 0 to 0.9; got number 1/],
  ["eagerRefresh", "10%", /^eagerRefresh must be .*; got "10%"/],
  ["jitter", -0.1, /^jitter must be a number from 0 to 0.9; got number -0.1/],
  ["jitter", Number.NaN, /^jitter must be .*; got number NaN/],
  ["sliding", 1, /^sliding must be true or false; got number 1/],
  ["negativeTtl", -1, duration("negativeTtl", "number -1")],
  ["negativeTtl", null, duration("negativeTtl", "null")],
  ["storeTtl", 0, duration("storeTtl", "number 0")],
  ["tll", "1h", /^register has no option "tll"; there are /],
];

describe("a registration option", () => {
  it.each(wrongPolicies)(
    "%s: %p is INVALID_ARGUMENT, and the pattern stays unregistered",
    async (field, value, message) => {
      const warp = new Warp();
      const options = { ttl: "1h", [field]: value } as unknown as RegisterOptions;
      const error = thrownBy(() => warp.register("k:*", options));
      expect(error.code).toBe("INVALID_ARGUMENT");
      expect(error.message).toMatch(message);
      expect(() => warp.peek("k:1")).toThrow(expect.objectContaining({ code: "UNREGISTERED" }));
      await warp.close();
    },
  );

  it.each(wrongPolicies.filter(([field]) => field !== "ttl" && field !== "tll"))(
    "%s: %p is INVALID_ARGUMENT with a TTL strategy too",
    async (field, value, message) => {
      const warp = new Warp();
      const strategy = { record: () => undefined, ttl: () => 1 };
      const error = thrownBy(() => warp.registerDynamicTtl("k:*", { strategy, [field]: value } as never));
      expect(error.code).toBe("INVALID_ARGUMENT");
      expect(error.message).toMatch(message);
      await warp.close();
    },
  );

  it.each([
    ["strategy", {}],
    ["strategy", { record: () => undefined }],
    ["strategy", undefined],
    ["ttl", "1h"],
  ])("%s: %p is INVALID_ARGUMENT where a TTL strategy is registered", async (field, value) => {
    const warp = new Warp();
    const strategy = { record: () => undefined, ttl: () => 1 };
    const error = thrownBy(() => warp.registerDynamicTtl("k:*", { strategy, [field]: value } as never));
    expect(error.code).toBe("INVALID_ARGUMENT");
    expect(error.message).toContain(field);
    await warp.close();
  });

  it("of sliding lives does not hide a wrong share", () => {
    const error = thrownBy(() => new Warp().register("k:*", { ttl: "1h", sliding: true, eagerRefresh: 7 }));
    expect(error.message).toMatch(/^eagerRefresh/);
  });

  it.each([5, null, undefined, "1h"])("as a whole must be an object, not %p", (options) => {
    expect(thrownBy(() => new Warp().register("k:*", options as never)).code).toBe("INVALID_ARGUMENT");
  });

  it.each([
    ["is empty", ""],
    ["is no text", 5],
    ["is Warp's own", "\u0000warp:x"],
    ["has half a character", "\ud800"],
    ["is too long", "x".repeat(1_025)],
  ])("cannot go with a pattern that %s", (_, pattern) => {
    expect(thrownBy(() => new Warp().register(pattern as string, { ttl: "1h" })).code).toBe("INVALID_ARGUMENT");
  });

  it("of strong-distributed is UNSUPPORTED, naming what is missing", () => {
    const error = thrownBy(() => new Warp().register("k:*", { ttl: "1h", mode: "strong-distributed" }));
    expect(error.code).toBe("UNSUPPORTED");
    expect(error.message).toContain("strong-distributed");
    expect(error.message).toContain("k:*");
  });

  it("takes Infinity and years", async () => {
    const warp = new Warp();
    expect(warp.register("a:*", { ttl: Number.POSITIVE_INFINITY, failSafe: Number.POSITIVE_INFINITY })).toBe(true);
    expect(warp.register("b:*", { ttl: "3650d", negativeTtl: Number.POSITIVE_INFINITY })).toBe(true);
    await warp.set("b:1", 1);
    expect((await warp.inspect("b:1")).leftMs).toBeGreaterThan(86_400_000 * 3_649);
    await warp.close();
  });
});

const wrongLimits: readonly Case[] = [
  ["signal", {}, /^signal must be an AbortSignal; got an object/],
  ["signal", true, /^signal must be an AbortSignal; got boolean true/],
  ["signal", null, /^signal must be an AbortSignal; got null/],
  ["hardTimeout", 0, duration("hardTimeout", "number 0")],
  ["hardTimeout", "soon", duration("hardTimeout", '"soon"')],
  ["hardTimeout", null, duration("hardTimeout", "null")],
  ["timeout", 5, /has no option "timeout"; there are signal, hardTimeout/],
];

const wrongReads: readonly Case[] = [...wrongLimits, ["refresh", 1, /^refresh must be true or false; got number 1/]];
const wrongLoads: readonly Case[] = [
  ...wrongReads,
  ["persist", true, /^persist must be "store" or "none"; got boolean true/],
];
const wrongSets: readonly Case[] = [
  ...wrongLimits,
  ["op", "abc", /^op must be an operation id, .*; got "abc"/],
  ["op", 5, /^op must be .*; got number 5/],
];

const calls: readonly (readonly [string, readonly Case[], (warp: Warp, options: never) => Promise<unknown>])[] = [
  ["get", wrongReads, (warp, options) => warp.get("k:1", options)],
  ["find", wrongReads, (warp, options) => warp.find("k:1", options)],
  ["getMany", wrongReads, (warp, options) => warp.getMany(["k:1"], options)],
  ["getOrSet", wrongLoads, (warp, options) => warp.getOrSet("k:1", () => "made", options)],
  ["getOrSetMany", wrongLoads, (warp, options) => warp.getOrSetMany(["k:1"], () => new Map(), options)],
  ["set", wrongSets, (warp, options) => warp.set("k:1", "new", options)],
  ["delete", wrongSets, (warp, options) => warp.delete("k:1", options)],
  [
    "setMany",
    [...wrongLimits, ["op", "A".repeat(22), /has no option "op"/]],
    (warp, options) => warp.setMany([["k:1", "new"]], options),
  ],
  ["commit", wrongLimits, (warp, options) => warp.txn().set("k:1", "new").commit(options)],
  [
    "transaction",
    [
      ...wrongLimits.slice(0, -1),
      ["timeout", 5, /transaction has no option "timeout"/],
      ["retries", -1, /^retries must be a whole number of at least 0; got number -1/],
    ],
    (warp, options) => warp.transaction((txn) => void txn.set("k:1", "new"), options),
  ],
  [
    "warmup",
    [
      ["signal", 5, /^signal must be an AbortSignal; got number 5/],
      ["concurrency", 0, /^concurrency must be a whole number of at least 1; got number 0/],
      ["onProgress", true, /^onProgress must be a function; got boolean true/],
      ["progress", 1, /^warmup has no option "progress"/],
    ],
    (warp, options) => warp.warmup(options),
  ],
  [
    "flush",
    [
      ["timeout", "soon", duration("timeout", '"soon"')],
      ["hardTimeout", 5, /^flush has no option/],
    ],
    (warp, options) => warp.flush(options),
  ],
  [
    "close",
    [
      ["timeout", -1, duration("timeout", "number -1")],
      ["signal", 5, /^close has no option/],
    ],
    (warp, options) => warp.close(options),
  ],
];

describe.each(calls)("an option of %s", (_, cases, call) => {
  it.each([...cases])("%s: %p is INVALID_ARGUMENT, and nothing is asked or changed", async (field, value, message) => {
    const own = new Cluster();
    const store = watched(own.store());
    const a = await own.member("a", { store: store.port });
    await own.run(a.set("k:1", "old"));
    store.calls.length = 0;
    const error = await own.failure(call(a, { [field]: value } as never));
    expect(error.code).toBe("INVALID_ARGUMENT");
    expect(error.message).toMatch(message);
    expect(store.calls).toEqual([]);
    expect(a.peek("k:1")).toBe("old");
    expect(own.stored("k:1")).toBe("old");
    expect(a.status().state).toBe("open");
  });

  it.each([5, "1s", null])("as a whole must be an object, not %p", async (options) => {
    const own = new Cluster();
    const a = await own.member("a");
    expect((await own.failure(call(a, options as never))).code).toBe("INVALID_ARGUMENT");
  });
});

describe("an argument", () => {
  const wrong: readonly (readonly [string, RegExp, (warp: Warp) => Promise<unknown>])[] = [
    [
      "a loader that is none",
      /^loader must be a function; got undefined/,
      (warp) => warp.getOrSet("k:9", undefined as never),
    ],
    [
      "a loader of many that is none",
      /^load must be a function; got number 5/,
      (warp) => warp.getOrSetMany(["k:9"], 5 as never),
    ],
    ["keys that are none", /^keys must be an array of keys; got "k:1"/, (warp) => warp.getMany("k:1" as never)],
    [
      "entries that are none",
      /^entries must be an iterable of .*; got undefined/,
      (warp) => warp.setMany(undefined as never),
    ],
    ["an entry that is no pair", /^entries must be .*; got "k:1"/, (warp) => warp.setMany(["k:1"] as never)],
    ["work that is none", /^work must be a function; got undefined/, (warp) => warp.transaction(undefined as never)],
    [
      "a date that is none",
      /^at must be a Date or .*; got "yesterday"/,
      (warp) => warp.getAt("k:1", "yesterday" as never),
    ],
    ["an invalid Date", /^at must be a Date or /, (warp) => warp.getAt("k:1", new Date(Number.NaN))],
    ["a key that is no text", /^key must be a non-empty string; got number 5/, (warp) => warp.get(5 as never)],
    ["an empty key", /^key must be a non-empty string/, (warp) => warp.set("", 1)],
    ["a key with a star", /^key must be without "\*"/, (warp) => warp.delete("k:*")],
    ["a key that is too long", /^key must be at most 1024 bytes/, (warp) => warp.invalidate(`k:${"é".repeat(512)}`)],
    ["a key with half a character", /^key must be well-formed Unicode/, (warp) => warp.set("k:\ud800", 1)],
    ["Warp's own key", /^key must be outside Warp's own prefix/, (warp) => warp.set("\u0000warp:x", 1)],
  ];

  it.each(wrong)("%s is INVALID_ARGUMENT", async (_, message, call) => {
    const own = new Cluster();
    const store = watched(own.store());
    const a = await own.member("a", { store: store.port });
    a.register("*", { ttl: "1h" });
    store.calls.length = 0;
    const error = await own.failure(call(a));
    const inner = [...(error.errors?.values() ?? [error])][0];
    expect(inner?.code).toBe("INVALID_ARGUMENT");
    expect(inner?.message).toMatch(message);
    expect(store.calls).toEqual([]);
  });

  it("of setQuorum is a number of nodes, or of nodes and zones, for a strong pattern", async () => {
    const warp = await cluster.member("quorums");
    warp.register("q:*", { mode: "strong-distributed", ttl: "1h" });
    warp.register("e:*", { ttl: "1h" });
    const whole = "must be a whole number of at least 1";
    expect(warp.setQuorum("q:*", 3)).toBe(true);
    for (const quorum of [{}, { replicas: 2, zones: 2 }, { zones: 2 }])
      expect(warp.setQuorum("q:*", quorum)).toBe(true);
    expect(warp.setQuorum("other:*", 3)).toBe(false);
    const wrong = [
      ...[0, 1.5, Number.NaN].map((nodes) => [nodes, `quorum ${whole}; got number ${nodes}`]),
      ["2", 'quorum must be a number of nodes, or { replicas, zones }; got "2"'],
      [[], "quorum must be a number of nodes, or { replicas, zones }; got an array"],
      [null, "quorum must be a number of nodes, or { replicas, zones }; got null"],
      [{ nodes: 2 }, 'quorum has no option "nodes"; there are replicas, zones'],
      [{ replicas: 0 }, `quorum.replicas ${whole}; got number 0`],
      [{ zones: "2" }, `quorum.zones ${whole}; got "2"`],
      [
        { replicas: 2, zones: 3 },
        "quorum.zones must be at most quorum.replicas, 2, since a node is in one zone; got 3",
      ],
    ] as const;
    for (const [quorum, message] of wrong) {
      const error = thrownBy(() => warp.setQuorum("q:*", quorum as number));
      expect([error.code, error.message]).toEqual(["INVALID_ARGUMENT", message]);
    }
    expect(thrownBy(() => warp.setQuorum(undefined as never, 1)).message).toContain("pattern must be");
    expect(thrownBy(() => warp.setQuorum("e:*", 1)).code).toBe("UNSUPPORTED");
  });
});
