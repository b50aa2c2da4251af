import { describe, expect, it } from "@jest/globals";
import { type BusSubject, busCases, type ConformanceCase } from "@warp/conformance";
import { systemRandom } from "@warp/core";
import { describeWith, startFaultProxy } from "@warp/tests-services";
import { NatsBus, type NatsBusOptions } from "../src/index.ts";
import { type Client, Connections, clients } from "./clients.ts";

const register = (cases: readonly ConformanceCase[], exempt: readonly string[] = []): void => {
  for (const { name, needs, run } of cases)
    it(
      name,
      async () => expect(await run()).toBe(needs !== undefined && exempt.includes(needs) ? "exempt" : "checked"),
      30_000,
    );
};

/** Two nodes, each with a connection of its own. */
const open = async (client: Client, urls: readonly [string, string], options: NatsBusOptions): Promise<BusSubject> => {
  const connections = new Connections();
  const settings = { ...options, subject: `t-${systemRandom.id()}` };
  const [port, other] = await Promise.all(
    urls.map(async (url) => new NatsBus(await connections.connect(client, { url }), settings)),
  );
  return { port: port as NatsBus, other: other as NatsBus, close: () => connections.close() };
};

/** As `open`, with a proxy before the first node that can cut its connection. */
const openBehindProxy = async (client: Client, url: string): Promise<BusSubject> => {
  const { hostname, port } = new URL(url);
  const proxy = await startFaultProxy({ host: hostname, port: Number(port) });
  const subject = await open(client, [proxy.url(url), url], {});
  const close = async (): Promise<void> => {
    await subject.close?.();
    await proxy.stop();
  };
  return { ...subject, interrupt: () => proxy.reset(), close };
};

await describeWith("nats", (url) => {
  for (const client of clients) {
    describe(client.name, () => register(busCases(() => openBehindProxy(client, url))));
    // With a stream, a connection that broke is no gap.
    const jetStream = { storage: "memory", maxBytes: 8_388_608 } as const;
    describe(`${client.name}, JetStream`, () =>
      register(
        busCases(() => open(client, [url, url], { jetStream })),
        ["interrupt"],
      ));
  }
});
