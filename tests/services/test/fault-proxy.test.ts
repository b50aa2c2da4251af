import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as turn } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { type FaultProxy, seeded, startFaultProxy } from "../src/index.ts";

const until = async (what: string, condition: () => boolean): Promise<void> => {
  for (const deadline = performance.now() + 10_000; performance.now() < deadline; await turn(5))
    if (condition()) return;
  throw new Error(`did not come about: ${what}`);
};

/** A server that sends back what it gets, and keeps it. */
class Echo {
  received = "";
  ended = 0;
  readonly sockets = new Set<Socket>();
  readonly #server: Server = createServer((socket) => {
    this.sockets.add(socket);
    socket.on("data", (bytes) => {
      this.received += bytes.toString();
      socket.write(bytes);
    });
    socket.on("end", () => {
      this.ended += 1;
    });
    socket.on("error", () => {}).on("close", () => this.sockets.delete(socket));
  });

  async listen(): Promise<number> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

class Client {
  received = "";
  ended = false;
  error: string | undefined;
  connected = false;
  readonly socket: Socket;

  constructor(port: number) {
    this.socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.socket.on("connect", () => {
      this.connected = true;
    });
    this.socket.on("data", (bytes) => {
      this.received += bytes.toString();
    });
    this.socket.on("end", () => {
      this.ended = true;
    });
    this.socket.on("error", (error: NodeJS.ErrnoException) => {
      this.error = error.code;
    });
  }

  /** Sends, and resolves with how long the echo took, in ms. */
  async echo(text: string): Promise<number> {
    const startedAt = performance.now();
    const expected = this.received.length + text.length;
    this.socket.write(text);
    await until(`an echo of ${text.length} characters`, () => this.received.length >= expected);
    expect(this.received.endsWith(text)).toBe(true);
    return performance.now() - startedAt;
  }
}

describe("fault proxy", () => {
  let server: Echo;
  let port: number;
  let proxy: FaultProxy;
  let clients: Client[];
  const client = (): Client => {
    const made = new Client(proxy.port);
    clients.push(made);
    return made;
  };

  beforeEach(async () => {
    server = new Echo();
    clients = [];
    port = await server.listen();
    proxy = await startFaultProxy({ host: "127.0.0.1", port });
  });
  afterEach(async () => {
    await proxy.stop();
    for (const { socket } of clients) socket.destroy();
    await server.stop();
  });

  it("what is sent arrives in order in both directions, also more than it holds at once", async () => {
    const text = Array.from({ length: 400_000 }, (_, index) => `${index},`).join("");
    await client().echo(text);
    expect(server.received).toBe(text);
  });

  it("an end of stream reaches the other side behind the last byte", async () => {
    proxy.latency(30);
    const { socket } = client();
    socket.end("last words");
    await until("the end", () => server.ended === 1);
    expect(server.received).toBe("last words");
    await until("the end of the reply", () => clients[0]?.ended === true);
    expect(clients[0]?.received).toBe("last words");
    await until("no connection is kept", () => proxy.connections === 0);
  });

  it("latency delays every byte in each direction, and jitter lets none overtake another", async () => {
    const one = client();
    await one.echo("warm");
    proxy.latency(40, 20);
    expect(await one.echo("x")).toBeGreaterThanOrEqual(78);
    for (let index = 0; index < 50; index += 1) one.socket.write(`${index} `);
    await until("the last one", () => one.received.endsWith("49 "));
    expect(one.received).toBe(`warmx${Array.from({ length: 50 }, (_, index) => `${index} `).join("")}`);
    proxy.latency(0);
    expect(await one.echo("y")).toBeLessThan(78);
  });

  it("bandwidth bounds what a direction carries", async () => {
    const one = client();
    await one.echo("warm");
    proxy.bandwidth(100_000);
    // 20 000 bytes take 200 ms, and their echo follows on their heels.
    expect(await one.echo("z".repeat(20_000))).toBeGreaterThanOrEqual(198);
  });

  it("a black hole accepts connections, stalls them, and what it held back arrives when it is healed", async () => {
    const before = client();
    await before.echo("before ");
    proxy.drop();
    before.socket.write("during ");
    const inside = client();
    inside.socket.write("new ");
    await until("the new connection is accepted", () => inside.connected && proxy.connections === 2);
    // Long enough for an echo: one through a proxy of its own to the same server.
    const open = await startFaultProxy({ host: "127.0.0.1", port });
    const third = new Client(open.port);
    await third.echo("third ");
    third.socket.destroy();
    await open.stop();
    expect(server.received).toBe("before third ");
    expect([before.received, inside.received]).toEqual(["before ", ""]);
    proxy.heal();
    await until("both echoes", () => before.received === "before during " && inside.received === "new ");
    expect([before.error, inside.error]).toEqual([undefined, undefined]);
  });

  it("a connection whose peer left during a black hole breaks when it is healed", async () => {
    const one = client();
    await one.echo("x");
    proxy.drop();
    for (const socket of server.sockets) socket.resetAndDestroy();
    await until("the server has no connection", () => server.sockets.size === 0);
    expect([one.error, one.ended]).toEqual([undefined, false]);
    proxy.heal();
    await until("the client hears of it", () => one.error === "ECONNRESET");
  });

  it("a half-open line loses the replies only, or the requests only", async () => {
    const one = client();
    await one.echo("a");
    proxy.halfOpen("toClient");
    one.socket.write("b");
    await until("the request", () => server.received === "ab");
    expect(one.received).toBe("a");
    proxy.heal();
    await until("the reply", () => one.received === "ab");
    proxy.halfOpen("toTarget");
    one.socket.write("c");
    for (const socket of server.sockets) socket.write("!");
    await until("what the server says", () => one.received === "ab!");
    expect(server.received).toBe("ab");
    proxy.heal();
    await until("the echo", () => one.received === "ab!c");
  });

  it("reset() resets the connections there are and welcomes new ones", async () => {
    const one = client();
    await one.echo("x");
    proxy.reset();
    await until("the client sees it", () => one.error === "ECONNRESET");
    await until("the server sees it", () => server.sockets.size === 0);
    await client().echo("again");
  });

  it("reset() also closes a connection of which one side has ended", async () => {
    const held = new Set<Socket>();
    const patient = createServer({ allowHalfOpen: true }, (socket) => {
      held.add(socket);
      socket.resume().on("error", () => {});
      socket.on("close", () => held.delete(socket));
    });
    patient.listen(0, "127.0.0.1");
    await once(patient, "listening");
    const between = await startFaultProxy({ host: "127.0.0.1", port: (patient.address() as AddressInfo).port });
    const one = new Client(between.port);
    one.socket.end("x");
    await until("the end", () => [...held].some((socket) => socket.readableEnded));
    await between.stop();
    await until("both sides are closed", () => between.connections === 0);
    for (const socket of held) socket.destroy();
    one.socket.destroy();
    patient.close();
  });

  it("a cut line resets old and new connections until it is healed", async () => {
    const one = client();
    await one.echo("x");
    proxy.cut();
    const two = client();
    await until("both are reset", () => one.error === "ECONNRESET" && two.error === "ECONNRESET");
    expect(proxy.connections).toBe(0);
    proxy.heal();
    await client().echo("again");
  });

  it("a target that refuses shows as a reset", async () => {
    await server.stop();
    const one = client();
    await until("the reset", () => one.error === "ECONNRESET");
    server = new Echo();
  });

  it("url() puts the proxy's address in the place of the server's", () => {
    expect(proxy.url("postgres://me:pw@db.example:5432/warp?a=b")).toBe(
      `postgres://me:pw@127.0.0.1:${proxy.port}/warp?a=b`,
    );
  });
});

describe("seeded()", () => {
  it("draws the same numbers from 0 to 1 for the same seed", () => {
    const drawn = (seed: number): number[] => Array.from({ length: 100 }, seeded(seed));
    expect(drawn(7)).toEqual(drawn(7));
    expect(drawn(7)).not.toEqual(drawn(8));
    expect(drawn(7).every((number) => number >= 0 && number < 1)).toBe(true);
  });
});
