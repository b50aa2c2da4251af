import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "@jest/globals";
import { startServers } from "./platforms.ts";
import { request } from "./request.ts";
import { ServiceProcess, until } from "./service-process.ts";

/** PGlite takes seconds to start. */
const quick = { ...(await startServers("postgres")), STORE: "pg" };

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const start = (environment?: Readonly<Record<string, string>>): ServiceProcess => {
  const service = new ServiceProcess(environment);
  ends.push(() => service.kill());
  return service;
};

const keys = { S3_ACCESS_KEY_ID: "id", S3_SECRET_ACCESS_KEY: "secret" };
const body = '{"name":"Rome"}';

/** A write that the server has begun to read, and that ends when it is told to. */
const halfWrite = async (url: string): Promise<{ finish(): Promise<string>; socket: Socket }> => {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  ends.push(async () => socket.destroy());
  let received = "";
  socket.on("data", (chunk) => {
    received += chunk.toString();
  });
  socket.on("error", () => {});
  const head = ["PUT /cities/1 HTTP/1.1", "host: atlas", "content-type: application/json", "expect: 100-continue"];
  socket.write(`${[...head, `content-length: ${body.length}`].join("\r\n")}\r\n\r\n`);
  await until("the server reads", () => received.includes("100 Continue"));
  const finish = async (): Promise<string> => {
    socket.write(body);
    await until("the answer", () => received.includes('"cityId":1') || socket.destroyed);
    return received;
  };
  return { finish, socket };
};

const refused = async (url: string): Promise<boolean> => {
  try {
    await fetch(`${url}/live`);
    return false;
  } catch (error) {
    return ((error as Error).cause as { code?: string }).code === "ECONNREFUSED";
  }
};

describe("the service as a process", () => {
  it("stops on SIGTERM: takes no connection, finishes what it has, keeps it, and ends with 0", async () => {
    const folder = await mkdtemp(join(tmpdir(), "warp-atlas-service-"));
    ends.push(() => rm(folder, { recursive: true, force: true }));
    const first = start({ PGLITE_FOLDER: folder });
    const url = await first.url();
    const write = await halfWrite(url);
    // Connected, and never asks for anything, as browsers and load balancers do.
    const { hostname, port } = new URL(url);
    const silent = connect(Number(port), hostname);
    silent.on("error", () => {});
    ends.push(async () => silent.destroy());
    await once(silent, "connect");
    first.signal("SIGTERM");
    await first.prints("stopping: no new requests");
    await until("no connection is taken", () => refused(url));
    expect(await write.finish()).toContain("HTTP/1.1 200 OK");
    expect(await first.exited).toEqual({ code: 0, signal: null });
    expect(first.printed).toContain('"msg":"stopped"');

    const second = start({ PGLITE_FOLDER: folder });
    const again = await second.url();
    expect(await request(again, "GET", "/cities/1")).toMatchObject({ status: 200, body: { name: "Rome" } });
    second.signal("SIGINT");
    expect(await second.exited).toEqual({ code: 0, signal: null });
  }, 240_000);

  it("a second signal ends it at once, a shutdown that takes too long when its time is over", async () => {
    const [twice, slow] = [start(quick), start({ ...quick, SHUTDOWN_MS: "300" })];
    await Promise.all([twice, slow].map(async (service) => halfWrite(await service.url())));
    for (const service of [twice, slow]) service.signal("SIGTERM");
    await twice.prints("stopping: no new requests");
    twice.signal("SIGTERM");
    expect(await twice.exited).toEqual({ code: 1, signal: null });
    expect(twice.printed).toContain("second SIGTERM");
    expect(await slow.exited).toEqual({ code: 1, signal: null });
    expect(slow.printed).toContain("killed by timeout (300ms)");
  });

  it("an environment that cannot be used ends it with 1 before anything is opened", async () => {
    const service = start({ STORE: "mysql", BUS: "nats" });
    expect(await service.exited).toEqual({ code: 1, signal: null });
    expect(service.printed).toContain('STORE is "mysql"; accepted: pglite | pg | s3');
    expect(service.printed).toContain("NATS_URL is not set");
    expect(service.printed).not.toContain("at ");
  });

  it.each([
    ["DATABASE_URL", { STORE: "pg", DATABASE_URL: "postgres://127.0.0.1:1/none" }],
    ["S3_BUCKET", { STORE: "s3", S3_BUCKET: "atlas", S3_ENDPOINT: "http://127.0.0.1:1", ...keys }],
  ])("a server that cannot be reached ends it with 1 and names the variable: %s", async (name, environment) => {
    const service = start(environment);
    expect(await service.exited).toEqual({ code: 1, signal: null });
    expect(service.printed).toContain(`what ${name} `);
    expect(service.printed).toContain("cannot be used");
  });

  it("logs as JSON lines, and warns of what is hardly meant", async () => {
    const service = start(quick);
    await service.url();
    const lines = service.printed
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { level: number; msg: string });
    expect(lines.find(({ level }) => level === 40)?.msg).toContain("BUS=memory ends at this process");
    service.signal("SIGTERM");
    await service.exited;
  });
});
