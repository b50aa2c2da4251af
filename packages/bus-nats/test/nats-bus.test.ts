import { getEventListeners } from "node:events";
import { setImmediate as turnOfEventLoop } from "node:timers/promises";
import { describe, expect, it } from "@jest/globals";
import { WarpError } from "@warp/core";
import { deliveryOf } from "../src/delivery.ts";
import { NatsBus, type NatsBusOptions, type NatsClient } from "../src/index.ts";
import { directSubject } from "../src/subjects.ts";

/** A connection that notes what it is asked to do. @param flush What a flush comes to. */
const noting = (calls: string[], flush: () => Promise<void> = async () => {}): NatsClient => ({
  info: { max_payload: 1_048_576 },
  publish: (subject, data) => void calls.push(`publish ${subject} ${Buffer.from(data ?? []).toString()}`),
  flush: () => {
    calls.push("flush");
    return flush();
  },
  request: () => Promise.reject(new Error("no JetStream")),
  subscribe: () => ({ unsubscribe: () => {}, isClosed: () => false }),
  status: async function* () {},
  closed: () => new Promise(() => {}),
});

const bytes = (text: string): Uint8Array => Buffer.from(text);

describe("NatsBus", () => {
  it("has the publishes of a tick share one round trip, with nothing between them and it", async () => {
    const calls: string[] = [];
    const bus = new NatsBus(noting(calls));
    await Promise.all([bus.publish(bytes("1")), bus.publish(bytes("2"), "b"), bus.publish(bytes("3"))]);
    expect(calls).toEqual(["publish warp.all 1", "publish warp.node.b 2", "publish warp.all 3", "flush"]);
    await bus.publish(bytes("4"));
    expect(calls.slice(4)).toEqual(["publish warp.all 4", "flush"]);
  });

  it("leaves a frame to one node to the client, at once, but behind what waits", async () => {
    const calls: string[] = [];
    const bus = new NatsBus(noting(calls, () => new Promise(() => {})));
    await bus.publish(bytes("1"), "b");
    expect(calls).toEqual(["publish warp.node.b 1"]);
    void bus.publish(bytes("2"));
    await bus.publish(bytes("3"), "b");
    expect(calls).toHaveLength(1);
    await turnOfEventLoop();
    expect(calls.slice(1)).toEqual(["publish warp.all 2", "publish warp.node.b 3", "flush"]);
  });

  it("tells of a refused frame to one node once, with the next, and loses none for it", async () => {
    const calls: string[] = [];
    let refuse: (subject: string) => void = () => {};
    const refusals = async function* () {
      for (;;) {
        const subject = await new Promise<string>((resolve) => {
          refuse = resolve;
        });
        yield { type: "error", permissionContext: { operation: "publish", subject } };
      }
    };
    const bus = new NatsBus({ ...noting(calls), status: refusals });
    await bus.subscribe("a", { onFrame: () => {}, onGap: () => {} });
    for (const subject of ["my.app", "warp.all", "other.node.b"]) {
      refuse(subject);
      await turnOfEventLoop();
    }
    calls.length = 0;
    await bus.publish(bytes("1"), "c");
    refuse("warp.node.b");
    await turnOfEventLoop();
    await expect(bus.publish(bytes("2"), "c")).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringContaining("warp.node.b"),
    });
    await bus.publish(bytes("3"), "c");
    expect(calls).toEqual(["publish warp.node.c 1", "publish warp.node.c 2", "publish warp.node.c 3"]);
  });

  it("rejects a frame to one node that the client does not take", async () => {
    const cause = new Error("CONNECTION_CLOSED");
    const throwing = {
      ...noting([]),
      publish: () => {
        throw cause;
      },
    };
    const published = new NatsBus(throwing).publish(bytes("1"), "b");
    await expect(published).rejects.toMatchObject({ code: "UNAVAILABLE", port: "bus", cause });
    const given = new NatsBus(noting([])).publish(bytes("1"), "b", { signal: AbortSignal.abort() });
    await expect(given).rejects.toMatchObject({ code: "ABORTED" });
  });

  it("does not send what was given up before its turn came", async () => {
    const calls: string[] = [];
    const bus = new NatsBus(noting(calls));
    await expect(bus.publish(bytes("1"), undefined, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: "ABORTED",
    });
    expect(calls).toEqual([]);
  });

  it("says ABORTED of what was given up before its deadline, and of what was given up before it was sent", async () => {
    const calls: string[] = [];
    const silent = { ...noting(calls), flush: () => new Promise<void>(() => {}) };
    const bus = new NatsBus(silent);
    const underWay = new AbortController();
    const published = bus.publish(bytes("1"), undefined, { signal: underWay.signal, timeoutMs: 10 });
    const unsent = new AbortController();
    const notSent = bus.publish(bytes("2"), undefined, { signal: unsent.signal, timeoutMs: 10 });
    unsent.abort();
    await expect(notSent).rejects.toMatchObject({ code: "ABORTED" });
    expect(calls).toEqual(["publish warp.all 1"]);
    underWay.abort();
    await expect(published).rejects.toMatchObject({ code: "ABORTED" });
  });

  it("leaves nothing behind at a signal that outlives its calls, however they end", async () => {
    const { signal } = new AbortController();
    await new NatsBus(noting([])).publish(bytes("1"), undefined, { signal, timeoutMs: 60_000 });
    const silent = new NatsBus(noting([], () => new Promise(() => {})));
    const late = silent.publish(bytes("2"), undefined, { signal, timeoutMs: 1 });
    await expect(late).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });

  it("says that the connection was closed also where a stream keeps the broadcasts", async () => {
    const closed = { ...noting([]), request: () => Promise.reject(new Error("CONNECTION_CLOSED")) };
    const published = new NatsBus(closed, { jetStream: {} }).publish(bytes("1"));
    await expect(published).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: "JetStream did not answer: is it on, and has it a leader? (CONNECTION_CLOSED)",
    });
  });

  it("takes a stream that another node makes in the same moment for its own", async () => {
    // What nats-server 2.9 tells the second of two requests at once, and what it knows right afterwards.
    const answers = [
      { error: { err_code: 10_059, description: "stream not found" } },
      { error: { err_code: 10_065, description: "subjects overlap with an existing stream" } },
      {
        created: "2026-01-01T00:00:00Z",
        config: { subjects: ["warp.all"], retention: "limits", discard: "old" },
        state: { first_seq: 1, last_seq: 0 },
      },
    ];
    const asked: string[] = [];
    const racing: NatsClient = {
      ...noting([]),
      request: async (subject) => {
        asked.push(subject);
        return { data: bytes(JSON.stringify(answers.shift() ?? {})) };
      },
    };
    await new NatsBus(racing, { jetStream: {} }).publish(bytes("1"));
    expect(asked).toEqual([
      "$JS.API.STREAM.INFO.warp",
      "$JS.API.STREAM.CREATE.warp",
      "$JS.API.STREAM.INFO.warp",
      "warp.all",
    ]);
  });

  it("asks again where the server that decides does not know yet of a stream that is there, but not for ever", async () => {
    let unknown = 2;
    const asked: string[] = [];
    const learning: NatsClient = {
      ...noting([]),
      request: async (subject) => {
        asked.push(subject);
        const config = { subjects: ["warp.all"], retention: "limits", discard: "old" };
        const isUnknown = subject.startsWith("$JS.API.CONSUMER.CREATE") && unknown-- > 0;
        const notFound = { error: { code: 404, err_code: 10_059, description: "stream not found" } };
        const found = { created: "2026", config, state: { first_seq: 1, last_seq: 0 } };
        return { data: bytes(JSON.stringify(isUnknown ? notFound : found)) };
      },
    };
    const listener = { onFrame: () => {}, onGap: () => {} };
    const end = await new NatsBus(learning, { jetStream: {} }).subscribe("a", listener, { timeoutMs: 5_000 });
    await end();
    const creations = ["$JS.API.CONSUMER.CREATE.warp", "$JS.API.CONSUMER.CREATE.warp", "$JS.API.CONSUMER.CREATE.warp"];
    expect(asked).toEqual(["$JS.API.STREAM.INFO.warp", ...creations]);
    unknown = Number.POSITIVE_INFINITY;
    const deleted = new NatsBus(learning, { jetStream: {} }).subscribe("a", listener, { timeoutMs: 5_000 });
    await expect(deleted).rejects.toMatchObject({ code: "UNAVAILABLE", message: expect.stringContaining("10059") });
  });

  it("asks again about a stream whose leader is being chosen, and not for longer than it may take", async () => {
    const asked: [string, number | undefined][] = [];
    let unanswered = 4;
    const choosing: NatsClient = {
      ...noting([]),
      request: async (subject, _data, options) => {
        asked.push([subject, options?.timeout]);
        if (subject.startsWith("$JS.API.STREAM.INFO") && unanswered-- > 0) throw new Error("TIMEOUT");
        const config = { subjects: ["warp.all"], retention: "limits", discard: "old" };
        return { data: bytes(JSON.stringify({ created: "2026", config, state: { first_seq: 1, last_seq: 0 } })) };
      },
    };
    const bus = new NatsBus(choosing, { jetStream: {} });
    await bus.publish(bytes("1"), undefined, { timeoutMs: 5_000 });
    expect(asked.map(([subject]) => subject)).toEqual([...new Array(5).fill("$JS.API.STREAM.INFO.warp"), "warp.all"]);
    expect(asked.slice(0, 5).map(([, timeout]) => timeout)).toEqual(new Array(5).fill(1_000));
    unanswered = 5;
    const late = new NatsBus(choosing, { jetStream: {} }).publish(bytes("2"), undefined, { timeoutMs: 5_000 });
    await expect(late).rejects.toMatchObject({ code: "UNAVAILABLE", message: expect.stringContaining("TIMEOUT") });
    // Less time than one question may take goes to one question: a server far away needs it.
    unanswered = 1;
    const hurried = new NatsBus(choosing, { jetStream: {} }).publish(bytes("3"), undefined, { timeoutMs: 900 });
    await expect(hurried).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(asked.at(-1)).toEqual(["$JS.API.STREAM.INFO.warp", 900]);
  });

  it("rejects all publishes of a tick whose round trip breaks, with the client's error as cause", async () => {
    const cause = new Error("DISCONNECT");
    const bus = new NatsBus(noting([], () => Promise.reject(cause)));
    const outcomes = await Promise.allSettled([bus.publish(bytes("1")), bus.publish(bytes("2"))]);
    for (const outcome of outcomes)
      expect((outcome as PromiseRejectedResult).reason).toMatchObject({ code: "UNAVAILABLE", port: "bus", cause });
  });

  it("takes frames as large as its option and the server allow", () => {
    expect(new NatsBus(noting([])).maxFrameBytes).toBe(65_536);
    expect(new NatsBus(noting([]), { maxFrameBytes: 2_000_000 }).maxFrameBytes).toBe(1_048_576);
  });

  it("gives every node a subject of its own", () => {
    const names = ["b", "B", "b c*>", "b.c", "b%2ec", "日本", "", "%", "_"];
    const subjects = names.map((name) => directSubject("warp", name));
    expect(new Set(subjects).size).toBe(names.length);
    for (const subject of subjects) expect(subject).toMatch(/^warp\.node\.[A-Za-z0-9_%-]+$/);
  });

  it.each<[NatsBusOptions, string]>([
    [{ subject: "a b" }, "subject"],
    [{ subject: "a..b" }, "subject"],
    [{ subject: "a.*" }, "subject"],
    [{ subject: "" }, "subject"],
    [{ maxFrameBytes: 0 }, "maxFrameBytes"],
    [{ settle: "soon" as "1s" }, "settle"],
    [{ jetStream: { stream: "a.b" } }, "jetStream.stream"],
    [{ jetStream: { storage: "disk" as "file" } }, "jetStream.storage"],
    [{ jetStream: { replicas: 1.5 } }, "jetStream.replicas"],
    [{ jetStream: { maxAge: 0 } }, "jetStream.maxAge"],
    [{ jetStream: { maxBytes: -1 } }, "jetStream.maxBytes"],
    [{ jetStream: { maxMessages: 0 } }, "jetStream.maxMessages"],
  ])("refuses %j, naming the option", (options, name) => {
    const make = (): NatsBus => new NatsBus(noting([]), options);
    expect(make).toThrow(WarpError);
    expect(make).toThrow(new RegExp(`^${name.replace(".", "\\.")} `));
  });

  it("reads the place of a delivery as servers of every version write it", () => {
    const at = { streamSequence: 5, deliverySequence: 3 };
    const data = new Uint8Array();
    expect(deliveryOf({ data, reply: "$JS.ACK.stream.consumer.1.5.3.1700000000.0" })).toEqual(at);
    expect(deliveryOf({ data, reply: "$JS.ACK._.hash.stream.consumer.1.5.3.1700000000.0.token" })).toEqual(at);
    expect(deliveryOf({ data, reply: "_INBOX.a.b" })).toBeUndefined();
    expect(deliveryOf({ data })).toBeUndefined();
  });
});

it.each([undefined, {}])("%p in place of the client is UNSUPPORTED, and says what is needed", (client) => {
  expect(() => new NatsBus(client as unknown as NatsClient)).toThrow(
    expect.objectContaining({ code: "UNSUPPORTED", message: expect.stringContaining("NatsBus needs") }),
  );
});
