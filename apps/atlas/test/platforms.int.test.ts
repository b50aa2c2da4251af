import { randomBytes } from "node:crypto";
import { afterEach, describe, expect, it } from "@jest/globals";
import { Client } from "pg";
import { startServers } from "./platforms.ts";
import { demo } from "./programs.ts";
import { type Reply, request } from "./request.ts";
import { ServiceProcess, until } from "./service-process.ts";

const servers = await startServers("redis", "postgres", "nats", "kafka", "s3");

const platforms = [
  { CACHE: "redis", STORE: "pg", BUS: "nats" },
  { CACHE: "memory+redis", STORE: "pg", BUS: "kafka" },
  { CACHE: "memory", STORE: "s3", BUS: "nats" },
] as const;
type Platform = (typeof platforms)[number];

const described = ({ CACHE, STORE, BUS }: Platform): string => `CACHE=${CACHE} STORE=${STORE} BUS=${BUS}`;

describe("the demo's self-check", () => {
  it.each(platforms.map((platform) => [described(platform), platform] as const))(
    "passes on %s",
    async (_, platform) => {
      const args = ["--operations=600", "--cities=150"];
      const { code, printed } = await demo(args, { ...servers, ...platform });
      expect(printed).toContain("12 checks passed, 0 failed");
      expect(printed).toContain(described(platform));
      expect(code).toBe(0);
    },
  );
});

const running: ServiceProcess[] = [];
afterEach(async () => {
  for (const service of running.splice(0)) await service.kill();
});

/** The one started last. */
let cluster = "";

/** Processes of one cluster that nobody else is in. @returns Their URLs. */
const start = async (count: number, platform: Platform): Promise<readonly string[]> => {
  const CLUSTER = `test_${randomBytes(6).toString("hex")}`;
  const services = Array.from({ length: count }, () => new ServiceProcess({ ...servers, ...platform, CLUSTER }));
  running.push(...services);
  cluster = CLUSTER;
  const urls = await Promise.all(services.map((service) => service.url()));
  for (const url of urls) {
    await until("all hear each other", async () => {
      const { body } = await request(url, "GET", "/ready");
      return (body.status as { members: number }).members === count - 1;
    });
  }
  return urls;
};

const put = (url: string, id: number, city: object): Promise<Reply> => request(url, "PUT", `/cities/${id}`, city);
const get = (url: string, id: number): Promise<Reply> => request(url, "GET", `/cities/${id}`);

describe.each(platforms.map((platform) => [described(platform), platform] as const))("%s", (_, platform) => {
  it("what one process writes, the others show", async () => {
    const urls = await start(3, platform);
    const [a = "", b = "", c = ""] = urls;
    expect(await put(a, 1, { name: "Rome", temperature: 20 })).toMatchObject({ status: 200 });
    // Each has a copy of its own now, as far as it keeps any.
    for (const url of urls) expect(await get(url, 1)).toMatchObject({ status: 200, body: { temperature: 20 } });
    expect(await put(c, 1, { temperature: 21 })).toMatchObject({ body: { name: "Rome", temperature: 21 } });
    for (const url of [a, b]) await until("the new value", async () => (await get(url, 1)).body.temperature === 21);

    const views = urls.flatMap((url) => Array.from({ length: 5 }, () => request(url, "POST", "/cities/1/views")));
    expect((await Promise.all(views)).map(({ status }) => status)).toEqual(views.map(() => 200));
    for (const url of urls)
      await until("all views", async () => (await request(url, "GET", "/cities/1/views")).body.views === 15);

    await put(a, 2, { name: "Oslo", population: 100 });
    await put(a, 3, { name: "Bonn", population: 0 });
    const transfers = urls.map((url) => request(url, "POST", "/transfers", { from: 2, to: 3, people: 10 }));
    const codes = (await Promise.all(transfers)).map(({ status }) => status);
    const moved = codes.filter((code) => code === 200).length;
    expect(moved).toBeGreaterThan(0);
    for (const url of urls)
      await until("everybody is where he was sent", async () => {
        const [from, to] = await Promise.all([get(url, 2), get(url, 3)]);
        return from.body.population === 100 - 10 * moved && to.body.population === 10 * moved;
      });
  });
});

it("a process that is killed takes nothing with it, and one that is asked to stop ends with 0", async () => {
  const [a = "", b = ""] = await start(3, { CACHE: "redis", STORE: "pg", BUS: "nats" });
  await put(a, 1, { name: "Rome" });
  const [first, second, third] = running;
  await first?.kill();
  expect(await get(b, 1)).toMatchObject({ status: 200, body: { name: "Rome" } });
  for (const service of [second, third]) service?.signal("SIGTERM");
  expect([await second?.exited, await third?.exited]).toEqual(Array(2).fill({ code: 0, signal: null }));
});

it("what another program writes into PostgreSQL, every process shows", async () => {
  const urls = await start(2, { CACHE: "memory+redis", STORE: "pg", BUS: "kafka" });
  await put(urls[0] ?? "", 1, { name: "Rome", temperature: 20 });
  for (const url of urls) expect((await get(url, 1)).body.temperature).toBe(20);
  const client = new Client(servers.DATABASE_URL);
  await client.connect();
  try {
    const value = `${cluster}_encode(${cluster}_decode(value) || '{"temperature": 30}')`;
    await client.query(`UPDATE ${cluster} SET value = ${value} WHERE key = 'city:1'`);
  } finally {
    await client.end();
  }
  for (const url of urls) await until("the new value", async () => (await get(url, 1)).body.temperature === 30);
});
