import { describe, expect, it } from "@jest/globals";
import { busCases } from "@warp/conformance";
import { describeWithOwn } from "@warp/tests-services";
import { type NatsCluster, services } from "@warp/tests-services/servers";
import { NatsBus } from "../src/index.ts";
import { type Client, Connections, clients } from "./clients.ts";
import { deleteStream, openPair, Recorder, register, uniqueSubject, until } from "./opened.ts";

const [nats2, nats3] = clients as [Client, Client];
const jetStream = { replicas: 3, storage: "memory", maxBytes: 8_388_608 } as const;
const bytes = (text: string): Uint8Array => Buffer.from(text);

const urlsOf = ({ servers }: NatsCluster): readonly [string, string, string] =>
  servers.map(({ url }) => url) as [string, string, string];

/** The index of the server that leads a stream. */
const leaderOf = async (cluster: NatsCluster, url: string, stream: string): Promise<number> => {
  const connections = new Connections();
  const connection = await connections.connect(nats3, { url });
  const answer = await connection.request(`$JS.API.STREAM.INFO.${stream}`, new Uint8Array(), { timeout: 5_000 });
  await connections.close();
  const { cluster: state } = JSON.parse(Buffer.from(answer.data).toString()) as { cluster: { leader: string } };
  return cluster.servers.findIndex((_, index) => state.leader === `node-${index}`);
};

await describeWithOwn(services["nats-cluster"], (cluster) => {
  const [first, second, third] = urlsOf(cluster);
  describe("core NATS, publisher and subscriber on different servers", () =>
    register(
      busCases(() => openPair(nats3, [first, second])),
      ["interrupt"],
    ));
  describe("JetStream, three replicas, publisher and subscriber on different servers", () =>
    register(
      busCases(() => openPair(nats2, [first, second], { jetStream, settle: "100ms" })),
      ["interrupt"],
    ));

  for (const client of clients) {
    it(`${client.name}: a node whose server dies is told of the gap, and hears through another server`, async () => {
      const connections = new Connections();
      const subject = uniqueSubject();
      const bus = new NatsBus(await connections.connect(client, { url: third }), { subject });
      const other = new NatsBus(await connections.connect(client, { url: first }), { subject });
      const recorder = new Recorder();
      await bus.subscribe("a", recorder);
      await cluster.servers[2]?.kill();
      // Once at the new server, and once more when the others know of it.
      await until("two gaps", () => recorder.gaps.length === 2);
      await other.publish(bytes("after"));
      await until("it hears again", () => recorder.texts.includes("after"));
      await connections.close();
      await cluster.servers[2]?.restart();
    }, 60_000);

    it(`${client.name}: with JetStream no frame is lost when the stream's leader dies, and no gap is told`, async () => {
      const connections = new Connections();
      const subject = uniqueSubject();
      const [buses, recorders] = [[] as NatsBus[], [] as Recorder[]];
      for (const [index, url] of [first, second, third].entries()) {
        const bus = new NatsBus(await connections.connect(client, { url }), { subject, jetStream });
        const recorder = new Recorder();
        await bus.subscribe(`node ${index}`, recorder);
        buses.push(bus);
        recorders.push(recorder);
      }
      const leader = await leaderOf(cluster, first, subject);
      const taken: string[] = [];
      const publish = async (text: string): Promise<boolean> =>
        (buses[(leader + 1) % 3] as NatsBus).publish(bytes(text), undefined, { timeoutMs: 500 }).then(
          () => taken.push(text) > 0,
          () => false,
        );
      for (let index = 0; index < 50; index += 1) await publish(`before ${index}`);
      await cluster.servers[leader]?.kill();
      let round = 0;
      await until("the stream has a leader again", () => publish(`during ${round++}`), 30_000);
      for (let index = 0; index < 50; index += 1) await publish(`after ${index}`);
      for (const [index, recorder] of recorders.entries())
        await until(
          `node ${index} hears all that was taken`,
          () => {
            const heard = new Set(recorder.texts);
            return taken.every((text) => heard.has(text));
          },
          30_000,
        );
      expect(taken.length).toBeGreaterThan(100);
      expect(recorders.map(({ gaps }) => gaps)).toEqual([[], [], []]);
      await cluster.servers[leader]?.restart();
      await deleteStream(await connections.connect(client, { url: first }), subject);
      await connections.close();
    }, 90_000);
  }
});
