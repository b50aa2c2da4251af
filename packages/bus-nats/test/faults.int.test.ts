import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { WarpError } from "@warp/core";
import { describeWithOwn, type FaultProxy, startFaultProxy } from "@warp/tests-services";
import { startNats } from "@warp/tests-services/nats";
import { type Server, services } from "@warp/tests-services/servers";
import { NatsBus, type NatsBusOptions } from "../src/index.ts";
import { type Client, type Connected, Connections, clients } from "./clients.ts";
import { Recorder, rejectionOf, uniqueSubject, until } from "./opened.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text);
const brokeAndMadeAgain = "the connection to NATS broke and was made again";

const proxyFor = ({ url }: Server): Promise<FaultProxy> => {
  const { hostname, port } = new URL(url);
  return startFaultProxy({ host: hostname, port: Number(port) });
};

const connections = new Connections();
let rejections: unknown[] = [];
const onRejection = (error: unknown): void => {
  rejections.push(error);
};

beforeEach(() => {
  rejections = [];
  process.on("unhandledRejection", onRejection);
});
afterEach(async () => {
  await connections.close();
  process.off("unhandledRejection", onRejection);
  expect(rejections).toEqual([]);
});

interface Heard {
  readonly bus: NatsBus;
  readonly recorder: Recorder;
  readonly connection: Connected;
}

const subscribe = async (client: Client, url: string, options: NatsBusOptions): Promise<Heard> => {
  const connection = await connections.connect(client, { url });
  const bus = new NatsBus(connection, options);
  const recorder = new Recorder();
  await bus.subscribe("a", recorder);
  return { bus, recorder, connection };
};

const untilTaken = (bus: NatsBus, text: string): Promise<void> =>
  until(`NATS takes ${text}`, () =>
    bus.publish(bytes(text), undefined, { timeoutMs: 300 }).then(
      () => true,
      () => false,
    ),
  );

await describeWithOwn(services.nats, (server) => {
  for (const client of clients)
    describe(client.name, () => {
      it("a server that is killed and comes back is a gap; what cannot be sent meanwhile rejects in time", async () => {
        const { bus, recorder } = await subscribe(client, server.url, { subject: uniqueSubject() });
        await server.kill();
        const began = performance.now();
        const error = await rejectionOf(bus.publish(bytes("lost"), undefined, { timeoutMs: 250 }));
        expect(performance.now() - began).toBeLessThan(1_000);
        expect(["UNAVAILABLE", "DEADLINE_EXCEEDED"]).toContain((error as WarpError).code);
        await server.restart();
        await until("the gap is told", () => recorder.gaps.includes(brokeAndMadeAgain));
        await untilTaken(bus, "again");
        await until("it hears again", () => recorder.texts.includes("again"));
      });

      it("a frozen server costs a call its deadline, and no more", async () => {
        const { bus, recorder } = await subscribe(client, server.url, { subject: uniqueSubject() });
        await server.freeze();
        const controller = new AbortController();
        const timedOut = rejectionOf(bus.publish(bytes("late"), undefined, { timeoutMs: 100 }));
        const aborted = rejectionOf(bus.publish(bytes("later"), undefined, { signal: controller.signal }));
        const unheard = rejectionOf(bus.subscribe("b", new Recorder(), { timeoutMs: 100 }));
        expect(await timedOut).toMatchObject({ code: "DEADLINE_EXCEEDED", port: "bus", operation: "publish" });
        controller.abort();
        expect(await aborted).toMatchObject({ code: "ABORTED", port: "bus", operation: "publish" });
        expect(await unheard).toMatchObject({ code: "DEADLINE_EXCEEDED", port: "bus", operation: "subscribe" });
        await server.thaw();
        await bus.publish(bytes("thawed"));
        await until("it hears again", () => recorder.texts.includes("thawed"));
        // Late frames harm nobody: core numbers them.
        expect(recorder.texts).toEqual(["late", "later", "thawed"]);
      });

      it("a connection closed for good is a gap, and whatever waits or comes rejects UNAVAILABLE", async () => {
        const connection = await connections.connect(client, { url: server.url, maxReconnectAttempts: 1 });
        const bus = new NatsBus(connection, { subject: uniqueSubject() });
        const recorder = new Recorder();
        await bus.subscribe("a", recorder);
        await server.freeze();
        const waiting = rejectionOf(bus.publish(bytes("waits")));
        await connection.close();
        await server.thaw();
        expect(await waiting).toMatchObject({ code: "UNAVAILABLE", port: "bus" });
        expect(recorder.gaps).toEqual(["the connection to NATS was closed for good"]);
        expect(await rejectionOf(bus.publish(bytes("late")))).toMatchObject({ code: "UNAVAILABLE" });
        expect(await rejectionOf(bus.subscribe("b", new Recorder()))).toMatchObject({ code: "UNAVAILABLE" });
      });

      it("with JetStream a node that was cut off hears what it missed, and no gap is told", async () => {
        const proxy = await proxyFor(server);
        const options: NatsBusOptions = { subject: uniqueSubject(), jetStream: {} };
        const { recorder } = await subscribe(client, proxy.url(server.url), options);
        const other = new NatsBus(await connections.connect(client, { url: server.url }), options);
        await other.publish(bytes("before"));
        await until("it hears the first", () => recorder.texts.length === 1);
        proxy.cut();
        const missed = Array.from({ length: 300 }, (_, index) => `missed ${index}`);
        for (const text of missed) await other.publish(bytes(text));
        expect(recorder.texts).toEqual(["before"]);
        proxy.heal();
        await other.publish(bytes("after"));
        await until("it hears the last", () => recorder.texts.includes("after"));
        expect(recorder.texts).toEqual(["before", ...missed, "after"]);
        expect(recorder.gaps).toEqual([]);
        await proxy.stop();
      });

      it("with JetStream an outage longer than what the stream keeps is a gap", async () => {
        const proxy = await proxyFor(server);
        const options: NatsBusOptions = { subject: uniqueSubject(), jetStream: { maxMessages: 5 } };
        const { recorder } = await subscribe(client, proxy.url(server.url), options);
        const other = new NatsBus(await connections.connect(client, { url: server.url }), options);
        await other.publish(bytes("before"));
        await until("it hears the first", () => recorder.texts.length === 1);
        proxy.cut();
        for (let index = 0; index < 20; index += 1) await other.publish(bytes(`missed ${index}`));
        proxy.heal();
        await until("it hears the last", () => recorder.texts.includes("missed 19"));
        expect(recorder.texts).toEqual(["before", ...[15, 16, 17, 18, 19].map((index) => `missed ${index}`)]);
        expect(recorder.gaps).toEqual(["the stream no longer has what came after frame 1"]);
        await proxy.stop();
      });

      it("with JetStream a killed server is no gap where it keeps the stream in a file, else one", async () => {
        const inFile = await subscribe(client, server.url, { subject: uniqueSubject(), jetStream: {} });
        const memory: NatsBusOptions = { subject: uniqueSubject(), jetStream: { storage: "memory" } };
        const inMemory = await subscribe(client, server.url, memory);
        for (const { bus, recorder } of [inFile, inMemory]) {
          await bus.publish(bytes("before"));
          await until("it hears the first", () => recorder.texts.length === 1);
        }
        await server.kill();
        await server.restart();
        for (const { bus, recorder } of [inFile, inMemory]) {
          await untilTaken(bus, "after");
          await until("it hears again", () => recorder.texts.includes("after"));
        }
        expect(inFile.recorder.gaps).toEqual([]);
        expect(inMemory.recorder.gaps).toEqual(["the stream was made anew"]);
      });

      it("with JetStream a subject that another stream keeps is refused, with the server's reason", async () => {
        const subject = uniqueSubject();
        await subscribe(client, server.url, { subject, jetStream: {} });
        await expect(
          subscribe(client, server.url, { subject, jetStream: { stream: `${subject}-2` } }),
        ).rejects.toMatchObject({ code: "UNAVAILABLE", message: expect.stringContaining("subjects overlap") });
      });

      it("with JetStream a stream that somebody deletes is made again, and is a gap", async () => {
        const subject = uniqueSubject();
        const { bus, recorder, connection } = await subscribe(client, server.url, { subject, jetStream: {} });
        await bus.publish(bytes("before"));
        await connection.request(`$JS.API.STREAM.DELETE.${subject}`, new Uint8Array(), { timeout: 2_000 });
        await untilTaken(bus, "after");
        await until("the gap is told", () => recorder.gaps.includes("the stream was made anew"));
        await bus.publish(bytes("last"));
        await until("it hears again", () => recorder.texts.includes("last"));
      }, 15_000);
    });
});

describe("servers of another configuration", () => {
  const servers: Server[] = [];
  const start = async (configuration: readonly string[]): Promise<Server> => {
    const server = await startNats(configuration);
    servers.push(server);
    return server;
  };
  afterEach(async () => {
    await connections.close();
    await Promise.all(servers.splice(0).map((server) => server.stop()));
  });

  for (const client of clients)
    describe(client.name, () => {
      it("a missing permission rejects, naming the subject", async () => {
        const { url } = await start([
          "authorization { users = [",
          '  { user: mute, password: x, permissions: { publish: { deny: "warp.>" } } }',
          '  { user: deaf, password: x, permissions: { subscribe: { deny: "warp.all" } } }',
          '  { user: least, password: x, permissions: { publish: "warp.>", subscribe: "warp.>" } }',
          "] }",
        ]);
        const as = async (user: string): Promise<NatsBus> =>
          new NatsBus(await connections.connect(client, { url, user, pass: "x" }));
        const [mute, deaf, least] = [await as("mute"), await as("deaf"), await as("least")];
        const heard = new Recorder();
        await least.subscribe("least", heard);
        await least.publish(bytes("all"));
        await least.publish(bytes("one"), "least");
        await until("the least permissions suffice", () => heard.texts.length === 2);
        const unsent = await rejectionOf(mute.publish(bytes("unsent")));
        expect(unsent).toMatchObject({ code: "UNAVAILABLE", message: expect.stringContaining("warp.all") });
        const unheard = await rejectionOf(deaf.subscribe("deaf", new Recorder()));
        expect(unheard).toMatchObject({ code: "UNAVAILABLE", message: expect.stringContaining("warp.all") });
        // Both live on.
        await mute.subscribe("mute", new Recorder());
        // Of a frame to one node the next one tells.
        let told: unknown;
        await until("the refusal is told", async () => {
          told = await mute.publish(bytes("unsent"), "least").catch((error: unknown) => error);
          return told !== undefined;
        });
        expect(told).toMatchObject({ code: "UNAVAILABLE", message: expect.stringContaining("warp.node.least") });
        await deaf.publish(bytes("sent"));
        await until("what is allowed works", () => heard.texts.includes("sent"));
      });

      it("with JetStream the permissions that the README names suffice", async () => {
        const api = ["STREAM.INFO.warp", "STREAM.CREATE.warp", "CONSUMER.CREATE.warp"].map(
          (name) => `"$JS.API.${name}"`,
        );
        const { url } = await start([
          `authorization { users = [ { user: least, password: x, permissions: {`,
          `  publish: ["warp.>", ${api.join(", ")}, "$JS.FC.warp.>"], subscribe: ["warp.>", "_INBOX.>"] } } ] }`,
        ]);
        const connection = await connections.connect(client, { url, user: "least", pass: "x" });
        const bus = new NatsBus(connection, { jetStream: {} });
        const recorder = new Recorder();
        await bus.subscribe("a", recorder);
        // Enough for the server to ask how far the node has come.
        const frames = Array.from({ length: 200 }, (_, index) => Buffer.alloc(20_000, index));
        await Promise.all(frames.map((frame) => bus.publish(frame)));
        await bus.publish(bytes("one"), "a");
        await until("it hears all", () => recorder.texts.length === 201);
        expect(recorder.gaps).toEqual([]);
      });

      it("a node that reads too slowly is cut off by the server, and that is a gap", async () => {
        const server = await start(["max_payload: 32768", "max_pending: 65536"]);
        const proxy = await proxyFor(server);
        const { recorder } = await subscribe(client, proxy.url(server.url), {});
        const other = new NatsBus(await connections.connect(client, { url: server.url }));
        proxy.bandwidth(1);
        const frame = new Uint8Array(30_000);
        const isCut = (): boolean => server.output().includes("Slow Consumer");
        await until("the server gives the node up", async () => {
          await other.publish(frame);
          return isCut();
        });
        proxy.bandwidth(Number.POSITIVE_INFINITY);
        proxy.reset();
        await until("the gap is told", () => recorder.gaps.includes(brokeAndMadeAgain));
        await untilTaken(other, "after");
        await until("it hears again", () => recorder.texts.includes("after"));
        await proxy.stop();
      });

      it("a server in lame duck mode is left for another, and that is a gap", async () => {
        const leaving = await start(['lame_duck_duration: "30s"', 'lame_duck_grace_period: "100ms"']);
        const staying = await start([]);
        const url = `${leaving.url},${staying.url}`;
        const pairs = [await subscribe(client, url, {}), await subscribe(client, url, {})];
        process.kill(await leaving.pid(), "SIGUSR2");
        for (const { recorder } of pairs) await until("the gap is told", () => recorder.gaps.length > 0);
        await pairs[0]?.bus.publish(bytes("after"));
        for (const { recorder } of pairs) await until("it hears again", () => recorder.texts.includes("after"));
      }, 40_000);

      it("a server that takes less than the first one refuses what is too large for it, saying so, and nothing else", async () => {
        const first = await start([]);
        const second = await start(["max_payload: 4096"]);
        const { bus, recorder } = await subscribe(client, `${first.url},${second.url}`, {});
        expect(bus.maxFrameBytes).toBe(65_536);
        await first.kill();
        await until("the gap is told", () => recorder.gaps.length > 0);
        const error = await rejectionOf(bus.publish(new Uint8Array(5_000)));
        expect(error).toMatchObject({ code: "UNSUPPORTED", message: expect.stringContaining("4096") });
        const made = new NatsBus(await connections.connect(client, { url: second.url }));
        expect(made.maxFrameBytes).toBe(4_096);
        await untilTaken(bus, "small");
        await until("it hears", () => recorder.texts.includes("small"));
      });
    });
});
