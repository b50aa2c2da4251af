import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { afterAll, afterEach, expect, it } from "@jest/globals";
import { services } from "@warp/tests-services/servers";
import { startServers } from "./platforms.ts";
import { request } from "./request.ts";
import { ServiceProcess, until } from "./service-process.ts";

const postgres = await startServers("postgres");
const [redis, nats] = await Promise.all([services.redis.start(), services.nats.start()]);
afterAll(() => Promise.all([redis.stop(), nats.stop()]));

const running: ServiceProcess[] = [];
afterEach(async () => {
  for (const service of running.splice(0)) await service.kill();
});

it("a cache that is down is no outage, a bus that is down is told by /ready, and both heal by themselves", async () => {
  const service = new ServiceProcess({
    ...postgres,
    ...{ CACHE: "redis", STORE: "pg", BUS: "nats", REDIS_URL: redis.url, NATS_URL: nats.url },
    CLUSTER: `test_${randomBytes(6).toString("hex")}`,
  });
  running.push(service);
  const url = await service.url();
  const ready = () => request(url, "GET", "/ready");
  expect(await ready()).toMatchObject({ status: 200, body: { down: [] } });
  expect(await request(url, "PUT", "/cities/1", { temperature: 20 })).toMatchObject({ status: 200 });

  await redis.kill();
  expect(await request(url, "GET", "/cities/1")).toMatchObject({ status: 200, body: { temperature: 20 } });
  expect(await request(url, "PUT", "/cities/1", { temperature: 21 })).toMatchObject({ status: 200 });
  expect(await request(url, "GET", "/cities/1")).toMatchObject({ status: 200, body: { temperature: 21 } });
  await until("the cache is known to be down", async () => {
    const { status, body } = await ready();
    expect([status, body.ready]).toEqual([200, true]);
    return (body.down as string[]).includes("sharedCache");
  });
  await redis.restart();
  await until("the cache is used again", async () => ((await ready()).body.down as string[]).length === 0);

  await nats.kill();
  await until("the bus is known to be down", async () => {
    const { status, body } = await ready();
    if (status === 503) expect(body).toMatchObject({ ready: false, down: ["bus"] });
    return status === 503;
  });
  expect(await request(url, "GET", "/cities/1")).toMatchObject({ status: 200, body: { temperature: 21 } });
  expect(await request(url, "GET", "/live")).toMatchObject({ status: 200 });
  await nats.restart();
  await until("the bus is back", async () => (await ready()).status === 200);
});

it.each([
  ["NATS_URL", { BUS: "nats", NATS_URL: "nats://127.0.0.1:1" }],
  ["KAFKA_BROKERS", { BUS: "kafka", KAFKA_BROKERS: "127.0.0.1:1" }],
])("a bus that cannot be reached at the start ends the service with 1 and names %s", async (name, bus) => {
  const service = new ServiceProcess({ ...postgres, STORE: "pg", ...bus, CLUSTER: "unreached" });
  running.push(service);
  expect(await service.exited).toEqual({ code: 1, signal: null });
  expect(service.printed).toContain(`what ${name} names cannot be used`);
});

it("a server that takes connections and never answers ends the service with 1 and names the variable", async () => {
  const hole = createServer((socket) => socket.on("error", () => undefined).resume()).listen(0, "127.0.0.1");
  await once(hole, "listening");
  const place = `127.0.0.1:${(hole.address() as AddressInfo).port}`;
  const s3 = { STORE: "s3", S3_BUCKET: "void", S3_ACCESS_KEY_ID: "id", S3_SECRET_ACCESS_KEY: "key" };
  const cases: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
    ["NATS_URL", { ...postgres, STORE: "pg", BUS: "nats", NATS_URL: `nats://${place}`, CLUSTER: "unheard" }],
    ["KAFKA_BROKERS", { ...postgres, STORE: "pg", BUS: "kafka", KAFKA_BROKERS: place, CLUSTER: "unheard" }],
    ["S3_BUCKET", { ...s3, S3_ENDPOINT: `http://${place}` }],
  ];
  try {
    const check = async ([name, environment]: (typeof cases)[number]): Promise<void> => {
      const service = new ServiceProcess(environment);
      running.push(service);
      expect(await service.exited).toEqual({ code: 1, signal: null });
      expect(service.printed).toContain(`what ${name}`);
      expect(service.printed).toContain("no answer within");
    };
    await Promise.all(cases.map(check));
  } finally {
    hole.close();
  }
});

it("an S3 that ignores the conditions of writes ends the service with 1, before it loses any", async () => {
  const careless = createHttpServer((incoming, answer) => {
    incoming.resume().on("end", () => answer.setHeader("etag", '"1"').end());
  }).listen(0, "127.0.0.1");
  await once(careless, "listening");
  const service = new ServiceProcess({
    ...{ STORE: "s3", S3_BUCKET: "void", S3_ACCESS_KEY_ID: "id", S3_SECRET_ACCESS_KEY: "key" },
    S3_ENDPOINT: `http://127.0.0.1:${(careless.address() as AddressInfo).port}`,
  });
  running.push(service);
  try {
    expect(await service.exited).toEqual({ code: 1, signal: null });
    expect(service.printed).toContain("ignores If-Match");
  } finally {
    careless.close();
  }
});
