import { describe } from "@jest/globals";
import { type BusSubject, busCases } from "@warp/conformance";
import { describeWith, startFaultProxy } from "@warp/tests-services";
import { type Client, clients } from "./clients.ts";
import { openPair, register } from "./opened.ts";

/** Two nodes; a proxy before the first can cut its connection. */
const openBehindProxy = async (client: Client, url: string): Promise<BusSubject> => {
  const { hostname, port } = new URL(url);
  const proxy = await startFaultProxy({ host: hostname, port: Number(port) });
  const subject = await openPair(client, [proxy.url(url), url]);
  const close = async (): Promise<void> => {
    await subject.close?.();
    await proxy.stop();
  };
  return { ...subject, interrupt: () => proxy.reset(), close };
};

await describeWith("nats", (url) => {
  for (const client of clients) {
    describe(client.name, () => register(busCases(() => openBehindProxy(client, url))));
    const jetStream = { storage: "memory", maxBytes: 8_388_608 } as const;
    describe(`${client.name}, JetStream`, () =>
      // With a stream, a connection that broke is no gap.
      register(
        busCases(() => openPair(client, [url, url], { jetStream })),
        ["interrupt"],
      ));
  }
});
