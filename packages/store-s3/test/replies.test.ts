import type { S3Client } from "@aws-sdk/client-s3";
import { afterEach, describe, expect, it } from "@jest/globals";
import { type Clock, type Revision, systemClock, WarpError } from "@warp/core";
import { type S3Sender, S3Store, type S3StoreOptions } from "../src/index.ts";
import { encodeBody } from "../src/record-body.ts";
import { encodeTransaction } from "../src/transaction-state.ts";
import type { Version } from "../src/version.ts";
import { bucketOf, clientOf } from "./open-store.ts";
import { errorReply, type Reply, ScriptedServer } from "./scripted-server.ts";
import { bytes, conflictOf, deleteOf, newOperation, putOf, rejectionOf } from "./steps.ts";
import { until } from "./waiting.ts";

({}) as S3Client satisfies S3Sender;

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

const start = async (
  answer: (request: string) => Reply | undefined,
  options: Partial<S3StoreOptions> = {},
): Promise<{ readonly store: S3Store; readonly server: ScriptedServer; readonly requests: readonly string[] }> => {
  const server = new ScriptedServer(answer);
  const url = await server.listen();
  const client = clientOf(url, { maxAttempts: 3 });
  const store = new S3Store(client, { bucket: bucketOf(url), ...options });
  ends.push(async () => {
    await store.close();
    client.destroy();
    await server.close();
  });
  return { store, server, requests: server.requests };
};

/** An object with a record under `operations`, newest first. */
const objectOf = (operations: readonly Revision[], etag = '"tag"', transaction?: string): Reply => {
  const versionOf = (revision: Revision): Version => ({
    header: {
      isTombstone: false,
      revision,
      timestamp: { micros: 1, node: "n" },
      committedAt: 1,
      operations: [revision, ...operations.slice(1)],
      expiresAt: undefined,
      createdAt: 1,
      kept: 0,
      lastKept: undefined,
      retention: undefined,
    },
    value: bytes("stands"),
  });
  const intent = transaction === undefined ? undefined : { transaction, next: versionOf("next") };
  return {
    status: 200,
    headers: { etag },
    body: encodeBody({ version: versionOf(operations[0] ?? ""), intent }, undefined),
  };
};

const missing = errorReply(404, "NoSuchKey");
const others = Array.from({ length: 16 }, (_, index) => `other ${index}`);
const countOf = (requests: readonly string[], method: string): number =>
  requests.filter((request) => request.startsWith(method)).length;

/** Commits on "old" at a server whose PUT answers `put`, and where `standing` is read back. */
const commitAgainst = async (put: Reply | undefined, standing: Reply, timeoutMs?: number) => {
  let wasPut = false;
  const started = await start((request) => {
    if (!request.startsWith("PUT")) return wasPut ? standing : objectOf(["old"]);
    wasPut = true;
    return put;
  });
  const commit = started.store.commit("own", [putOf("k", "x", { expected: "old" })], { timeoutMs });
  return { ...started, commit };
};

const failures: readonly (readonly [string, Reply | undefined])[] = [
  ["500", errorReply(500, "InternalError")],
  ["503", errorReply(503, "SlowDown")],
  ["408", errorReply(408, "RequestTimeout")],
];
const refusals: readonly (readonly [string, Reply])[] = [
  ["412", errorReply(412, "PreconditionFailed")],
  ["409", errorReply(409, "ConditionalRequestConflict")],
  ["404", missing],
];

describe("a commit that gets neither yes nor no", () => {
  it.each(failures)("is sent once, though the client would send it three times: %s", async (_what, put) => {
    const { commit, requests } = await commitAgainst(put, objectOf(["old"]));
    await rejectionOf(commit);
    expect(countOf(requests, "PUT")).toBe(1);
  });

  it.each(failures)("may still land while what it was conditional on stands: %s", async (_what, put) => {
    const error = await rejectionOf((await commitAgainst(put, objectOf(["old"]))).commit);
    expect(WarpError.is(error)).toBe(false);
  });

  it.each(failures)("has not happened where another record reaches back without it: %s", async (_what, put) => {
    const conflicts = await conflictOf((await commitAgainst(put, objectOf(["new", "old"]))).commit);
    expect(conflicts.get("k")?.revision).toBe("new");
  });

  it.each(failures)("is found by its own id where it had happened: %s", async (_what, put) => {
    const conflicts = await conflictOf((await commitAgainst(put, objectOf(["new", "own", "old"]))).commit);
    expect(conflicts.get("k")?.operations).toContain("own");
  });

  it("stays open where the record that stands does not reach back", async () => {
    const error = await rejectionOf((await commitAgainst(errorReply(500, "InternalError"), objectOf(others))).commit);
    expect(WarpError.is(error)).toBe(false);
  });

  it("stays open where nobody can be asked", async () => {
    const { commit } = await commitAgainst(errorReply(500, "InternalError"), errorReply(403, "AccessDenied"));
    expect(await rejectionOf(commit)).toMatchObject({ $metadata: { httpStatusCode: 500 } });
  });

  it("stays open where what stands is CORRUPT", async () => {
    const { commit } = await commitAgainst(errorReply(500, "InternalError"), { status: 200, body: "?" });
    expect(WarpError.is(await rejectionOf(commit))).toBe(false);
  });

  it("stays open when its time is over, and its request is given up", async () => {
    const { commit, store } = await commitAgainst(undefined, objectOf(["old"]), 1_000);
    expect(WarpError.is(await rejectionOf(commit))).toBe(false);
    expect(await store.get("k")).toMatchObject({ revision: "old" });
  });

  it("stays open when the connection is lost", async () => {
    const started = await start((request) => {
      if (!request.startsWith("PUT")) return objectOf(["old"]);
      void started.server.close();
      return undefined;
    });
    const error = await rejectionOf(started.store.commit("own", [putOf("k", "x", { expected: "old" })]));
    expect(WarpError.is(error)).toBe(false);
    expect(countOf(started.requests, "PUT")).toBe(1);
  });
});

describe("a commit whose condition the server found broken", () => {
  it.each(refusals)("is a CONFLICT with what stands: %s", async (_what, put) => {
    const conflicts = await conflictOf((await commitAgainst(put, objectOf(["new", "old"]))).commit);
    expect(conflicts.get("k")?.revision).toBe("new");
  });

  it.each(refusals)(
    "is a CONFLICT also where the record does not reach back: it was this sending: %s",
    async (_what, put) => {
      expect((await conflictOf((await commitAgainst(put, objectOf(others))).commit)).get("k")?.revision).toBe(
        "other 0",
      );
    },
  );

  it.each(refusals)("is a CONFLICT with no record where there is none any more: %s", async (_what, put) => {
    expect([...(await conflictOf((await commitAgainst(put, missing)).commit))]).toEqual([["k", undefined]]);
  });

  it("is sent anew, a few times, where the record it names stands under another tag", async () => {
    let puts = 0;
    const { store, server } = await start((request) => {
      if (!request.startsWith("PUT")) return objectOf(["old"], `"tag ${puts}"`);
      puts += 1;
      return puts < 3 ? errorReply(409, "ConditionalRequestConflict") : { status: 200, headers: { etag: '"new"' } };
    });
    const [record] = await store.commit("own", [deleteOf("k", { expected: "old" })]);
    expect(record?.operations).toEqual(["own", "old"]);
    const conditions = server.headers.flatMap((headers) => headers["if-match"] ?? []);
    expect(conditions).toEqual(["tag 0", "tag 1", "tag 2"]);
  });

  it("is UNAVAILABLE where that has no end", async () => {
    const { commit, requests } = await commitAgainst(errorReply(409, "OperationAborted"), objectOf(["old"]));
    expect(await rejectionOf(commit)).toMatchObject({ code: "UNAVAILABLE" });
    expect(countOf(requests, "PUT")).toBe(6);
  });
});

describe("a commit that certainly changed nothing is UNAVAILABLE with the cause", () => {
  it.each([
    ["not allowed", errorReply(403, "AccessDenied")],
    ["no bucket", errorReply(404, "NoSuchBucket")],
    ["too large", errorReply(400, "EntityTooLarge")],
    ["another region", errorReply(301, "PermanentRedirect")],
    ["no conditions", errorReply(501, "NotImplemented")],
  ])("%s", async (_what, put) => {
    const { commit, requests } = await commitAgainst(put, objectOf(["old"]));
    expect(await rejectionOf(commit)).toMatchObject({ code: "UNAVAILABLE", key: "k", cause: { $metadata: {} } });
    expect(countOf(requests, "PUT")).toBe(1);
  });

  it("nobody listens there", async () => {
    const { store, server } = await start(() => missing, { clock: { now: () => 1 } });
    await server.close();
    const error = await rejectionOf(store.commit(newOperation(), [putOf("k", "x")]));
    expect(error).toMatchObject({ code: "UNAVAILABLE" });
    expect((error as { cause: { code: string } }).cause.code).toBe("ECONNREFUSED");
  });

  it("what it is conditional on could not be read", async () => {
    const { store, requests } = await start(() => errorReply(500, "InternalError"));
    const commit = store.commit(newOperation(), [putOf("k", "x", { expected: "old" })]);
    expect(await rejectionOf(commit)).toMatchObject({ code: "UNAVAILABLE" });
    // Reads are the client's to send again.
    expect(requests).toEqual(Array(3).fill("GET /bucket/warp/r/k"));
  });

  it("the version before could not be kept", async () => {
    const { store, requests } = await start((request) =>
      request.startsWith("PUT") ? errorReply(500, "InternalError") : objectOf(["old"]),
    );
    const history = { versions: 1, maxAgeMs: undefined };
    const commit = store.commit(newOperation(), [putOf("k", "x", { expected: "old", history })]);
    expect(await rejectionOf(commit)).toMatchObject({ code: "UNAVAILABLE" });
    expect(requests.filter((request) => request.includes("/warp/r/"))).toEqual(["GET /bucket/warp/r/k"]);
  });
});

describe("a commit", () => {
  const takes = (request: string): Reply =>
    request.startsWith("PUT") ? { status: 200, headers: { etag: '"new"' } } : objectOf(["old"]);

  it("asks nothing where it remembers what it replaces, and sends the tag without quotes", async () => {
    const { store, server, requests } = await start(takes);
    await store.get("k");
    await store.commit("a", [putOf("k", "x", { expected: "old" })]);
    await store.commit("b", [putOf("k", "y", { expected: "a" })]);
    expect(requests.map((request) => request.slice(0, 3))).toEqual(["GET", "PUT", "PUT"]);
    expect(server.headers.map((headers) => headers["if-match"])).toEqual([undefined, "tag", "new"]);
  });

  it("of a new key is one request", async () => {
    const { store, server, requests } = await start(takes, { clock: { now: () => 1 } });
    await store.commit("a", [putOf("k", "x")]);
    expect(requests).toEqual(["PUT /bucket/warp/r/k"]);
    expect(server.headers[0]?.["if-none-match"]).toBe("*");
  });

  it("reads first where it may remember nothing", async () => {
    const { store, requests } = await start(takes, { remembered: 0 });
    await store.get("k");
    await store.commit("a", [putOf("k", "x", { expected: "old" })]);
    expect(requests.map((request) => request.slice(0, 3))).toEqual(["GET", "GET", "PUT"]);
  });

  it("of a caller who has left sends nothing", async () => {
    const { store, requests } = await start(takes);
    const commit = store.commit("a", [putOf("k", "x")], { signal: AbortSignal.abort() });
    expect(await rejectionOf(commit)).toMatchObject({ code: "ABORTED" });
    expect(requests).toEqual([]);
  });
});

describe("a read", () => {
  it("moves no bytes where the record is remembered and unchanged", async () => {
    let tag: string | undefined;
    const { store, server } = await start(() => {
      tag = server.headers.at(-1)?.["if-none-match"];
      return tag === '"tag"' ? { status: 304 } : objectOf(["old"]);
    });
    await store.get("k");
    expect(await store.get("k", "old")).toBe("unchanged");
    expect(tag).toBe('"tag"');
    expect(await store.get("k", "older")).toMatchObject({ revision: "old" });
    expect(tag).toBeUndefined();
  });

  it("is sent again by the client, as that was set up", async () => {
    let failed = 0;
    const { store } = await start(() => (++failed < 3 ? errorReply(500, "InternalError") : objectOf(["old"])));
    expect(await store.get("k")).toMatchObject({ revision: "old" });
  });

  it("ends with its signal or its time, whatever the server does", async () => {
    const { store, server } = await start(() => undefined);
    const controller = new AbortController();
    const left = rejectionOf(store.get("k", undefined, { signal: controller.signal }));
    await until("the request", async () => server.requests.length === 1);
    controller.abort();
    expect(await left).toMatchObject({ name: "AbortError" });
    expect(await rejectionOf(store.getMany(["a", "b"], [], { timeoutMs: 200 }))).toMatchObject({ name: "AbortError" });
    await until("the end of the requests", async () => server.abandoned === 3);
  });

  it("is refused where the server says neither yes nor that there is nothing", async () => {
    const { store } = await start(() => errorReply(403, "AccessDenied"));
    await expect(store.get("k")).rejects.toMatchObject({ name: "AccessDenied" });
    const { store: other } = await start(() => errorReply(404, "NoSuchBucket"));
    await expect(other.get("k")).rejects.toMatchObject({ name: "NoSuchBucket" });
  });
});

describe("an intent", () => {
  it("of another transaction than the one that was gone is asked about in its turn", async () => {
    let reads = 0;
    const { store, requests } = await start((request) => {
      if (request.includes("/t/first")) return missing;
      if (request.includes("/t/second"))
        return { status: 200, body: encodeTransaction({ state: "committed", deadlineMs: 0, keys: ["k"] }) };
      reads += 1;
      return objectOf(["old"], '"tag"', reads === 1 ? "first" : "second");
    });
    expect(await store.get("k")).toMatchObject({ revision: "next" });
    const names = requests.map((request) => request.slice("GET /bucket/warp/".length));
    expect(names).toEqual(["r/k", "t/first", "r/k", "t/second"]);
  });
});

describe("concurrency", () => {
  it("of hundreds of requests under one signal is no leak in the eyes of Node.js", async () => {
    const limits: unknown[] = [];
    // What node:events' getMaxListeners reads; that itself does not know the signals of Jest's realm.
    const limitOf = (signal: AbortSignal): unknown => {
      const name = Object.getOwnPropertySymbols(signal).find(({ description = "" }) => /maxEvent/i.test(description));
      return name && Reflect.get(signal, name);
    };
    const client: S3Sender = {
      send: (async (_command: unknown, { abortSignal }: { abortSignal: AbortSignal }) => {
        limits.push(limitOf(abortSignal));
        throw Object.assign(new Error("none"), { name: "NoSuchKey", $metadata: { httpStatusCode: 404 } });
      }) as unknown as S3Sender["send"],
    };
    await new S3Store(client, { bucket: "b", clock: { now: () => 1 } }).getMany(["a", "b"]);
    expect(limits).toEqual([0, 0, 0, 0]);
  });

  it("holds back what is more, in order, and lets go of who leaves", async () => {
    let release: (() => void)[] = [];
    const order: string[] = [];
    const client: S3Sender = {
      send: (async (command: { input: { Key?: string } }) => {
        order.push(String(command.input.Key));
        await new Promise<void>((resolve) => release.push(resolve));
        throw Object.assign(new Error("none"), { name: "NoSuchKey", $metadata: { httpStatusCode: 404 } });
      }) as unknown as S3Sender["send"],
    };
    const store = new S3Store(client, { bucket: "b", concurrency: 2, clock: { now: () => 1 } });
    const reads = store.getMany(["a", "b", "c", "d"]);
    const controller = new AbortController();
    const left = rejectionOf(store.get("left", undefined, { signal: controller.signal }));
    controller.abort();
    expect(await left).toMatchObject({ code: "UNAVAILABLE" });
    expect(order).toEqual(["warp/r/a", "warp/r/b"]);
    while (order.length < 8 || release.length > 0) {
      const due = release;
      release = [];
      for (const one of due) one();
      await Promise.resolve();
    }
    expect(await reads).toEqual([undefined, undefined, undefined, undefined]);
    // Two passes, since it answers one state.
    const pass = ["warp/r/a", "warp/r/b", "warp/r/c", "warp/r/d"];
    expect(order).toEqual([...pass, ...pass]);
  });
});

describe("options", () => {
  const client = clientOf("http://key:secret@127.0.0.1:1/bucket");
  const timers: Pick<Clock, "schedule" | "monotonic"> = systemClock;

  it.each([
    ["bucket", { bucket: "" }],
    ["concurrency", { concurrency: 0 }],
    ["remembered", { remembered: -1 }],
    ["landsWithin", { landsWithin: 0 }],
    ["tombstoneRetention", { tombstoneRetention: "1m" }],
    ["reapEvery", { reapEvery: 0 }],
    ["prefix", { prefix: "no/slash" }],
  ] as const)("%s is checked", (name, odd) => {
    const make = (): S3Store => new S3Store(client, { bucket: "bucket", timers, ...odd });
    expect(make).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringContaining(name) }));
  });

  it("have the defaults that they say", () => {
    const store = new S3Store(client, { bucket: "bucket" });
    expect(store).toMatchObject({
      landsWithinMs: 60_000,
      conditionalDelete: false,
      atomicBatch: true,
      portVersion: 1,
    });
  });

  it("do not go with a client that caches middleware", () => {
    const caching = clientOf("http://key:secret@127.0.0.1:1/bucket", { cacheMiddleware: true });
    expect(() => new S3Store(caching, { bucket: "bucket" })).toThrow(/cacheMiddleware/);
  });
});

it.each([undefined, {}])("%p in place of the client is UNSUPPORTED, and says what is needed", (client) => {
  expect(() => new S3Store(client as unknown as S3Sender, { bucket: "b" })).toThrow(
    expect.objectContaining({ code: "UNSUPPORTED", message: expect.stringContaining("S3Store needs") }),
  );
});
