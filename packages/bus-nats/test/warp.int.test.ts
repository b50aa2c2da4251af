import { afterEach, describe, expect, it } from "@jest/globals";
import { MemoryStore, Warp, type WarpOptions } from "@warp/core";
import { describeWithOwn, startFaultProxy } from "@warp/tests-services";
import { startNats } from "@warp/tests-services/nats";
import { services } from "@warp/tests-services/servers";
import { NatsBus, type NatsBusOptions } from "../src/index.ts";
import { type Client, Connections, clients } from "./clients.ts";
import { uniqueSubject, until } from "./opened.ts";

const connections = new Connections();
const nodes: Warp[] = [];
const stops: (() => Promise<void>)[] = [];

const openNode = async (
  client: Client,
  url: string,
  { bus = {}, ...options }: { bus?: NatsBusOptions } & Pick<WarpOptions, "store" | "whileDeaf">,
): Promise<{ node: Warp; bus: NatsBus }> => {
  const natsBus = new NatsBus(await connections.connect(client, { url }), bus);
  const node = new Warp({ ...options, bus: natsBus });
  nodes.push(node);
  node.register("*", { ttl: "1h" });
  await node.ready();
  return { node, bus: natsBus };
};

afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.close()));
  await connections.close();
  await Promise.all(stops.splice(0).map((stop) => stop()));
});

/** Resolves once both know each other and `holder` has "old" in its cache: nothing makes it ask again by itself. */
const holdOld = async (writer: Warp, holder: Warp): Promise<void> => {
  await until("both know each other", () => writer.nodes().length === 2 && holder.nodes().length === 2);
  await writer.set("k", "old");
  await writer.flush();
  // What the first heartbeats tell of each other may make entries suspect once more.
  const knownAt = performance.now();
  await until("the other holds it", async () => {
    const value = await holder.get("k");
    return value === "old" && performance.now() - knownAt > 1_500 && holder.peek("k") === "old";
  });
};

/** What each kind of bus does while its node is cut off for a moment. */
const kinds: readonly { readonly kind: string; readonly bus: NatsBusOptions }[] = [
  { kind: "core NATS", bus: {} },
  { kind: "JetStream", bus: { jetStream: {} } },
];

await describeWithOwn(services.nats, (server) => {
  for (const client of clients)
    for (const { kind, bus } of kinds) {
      describe(`${client.name}, ${kind}`, () => {
        it("a value that changed while a node was cut off is not served after it is back", async () => {
          const { hostname, port } = new URL(server.url);
          const proxy = await startFaultProxy({ host: hostname, port: Number(port) });
          stops.push(() => proxy.stop());
          const shared = { store: new MemoryStore(), bus: { ...bus, subject: uniqueSubject() } };
          const { node: near } = await openNode(client, server.url, shared);
          const { node: cut } = await openNode(client, proxy.url(server.url), shared);
          await holdOld(near, cut);
          proxy.cut();
          await near.set("k", "new");
          await near.flush();
          expect(await cut.get("k")).toBe("old");
          const began = performance.now();
          proxy.heal();
          await until("it serves the new value", async () => (await cut.get("k")) === "new");
          // By the gap, or by what was kept: not only by a heartbeat, a second later.
          expect(performance.now() - began).toBeLessThan(900);
        }, 20_000);
      });
    }

  it("while NATS answers nothing, a node finds out that it is deaf and asks the store", async () => {
    const [client] = clients as [Client];
    const shared = { store: new MemoryStore(), bus: { subject: uniqueSubject() } };
    const { node: near } = await openNode(client, server.url, shared);
    const { node: far } = await openNode(client, server.url, shared);
    await holdOld(near, far);
    await server.freeze();
    // A write does not wait for the bus.
    await near.set("k", "new");
    expect(await far.get("k")).toBe("old");
    await until("it serves the new value", async () => (await far.get("k")) === "new");
    await server.thaw();
  }, 20_000);

  it("services on different subjects of one account do not hear each other", async () => {
    const [client] = clients as [Client];
    const [one, two] = [uniqueSubject(), uniqueSubject()];
    const { node: first } = await openNode(client, server.url, { bus: { subject: one } });
    const { node: second } = await openNode(client, server.url, { bus: { subject: one } });
    const { node: stranger } = await openNode(client, server.url, { bus: { subject: two } });
    await until("both know each other", () => first.nodes().length === 2 && second.nodes().length === 2);
    expect(stranger.nodes()).toHaveLength(1);
  });
});

describe("a server that takes little at once", () => {
  it("thousands of keys dropped at once reach the other node in frames that the server takes", async () => {
    const server = await startNats(["max_payload: 4096"]);
    stops.push(() => server.stop());
    const [, client] = clients as [Client, Client];
    const store = new MemoryStore();
    const { node: near, bus } = await openNode(client, server.url, { store });
    const { node: far } = await openNode(client, server.url, { store });
    expect(bus.maxFrameBytes).toBe(4_096);
    const keys = Array.from({ length: 5_000 }, (_, index) => `key ${index} ${"x".repeat(index % 40)}`);
    keys.push("k".repeat(1_024), "ü".repeat(512));
    await near.setMany(new Map(keys.map((key) => [key, "old"])));
    await until("the other has them", async () => (await far.getMany(keys)).size === keys.length);
    await near.setMany(new Map(keys.map((key) => [key, "new"])));
    await near.flush();
    await until("the other has none of the old", async () =>
      [...(await far.getMany(keys)).values()].every((value) => value === "new"),
    );
  }, 30_000);

  it("a server that does not take the frame of the longest key is refused when Warp is made", async () => {
    const server = await startNats(["max_payload: 1024"]);
    stops.push(() => server.stop());
    const [client] = clients as [Client];
    const bus = new NatsBus(await connections.connect(client, { url: server.url }));
    expect(() => new Warp({ bus })).toThrow(/bus\.maxFrameBytes must be at least \d+, for the longest key; got 1024/);
  });
});
