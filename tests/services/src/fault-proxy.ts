import { connect, createServer, type Server, type Socket } from "node:net";
import { FaultFlow, type LineConditions } from "./fault-flow.ts";
import { seeded } from "./seeded.ts";

/** Where a proxy forwards to. */
export interface FaultTarget {
  readonly host: string;
  readonly port: number;
}

/** Which bytes a half-open connection loses: those of the requests, or those of the replies. */
export type FaultDirection = "toTarget" | "toClient";

type State = "forwarding" | "stalled" | FaultDirection | "cut";

const listen = (server: Server): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });

/** "Connection reset by peer" for the other end. */
const reset = (socket: Socket): void => {
  // libuv refuses to reset a socket whose end was sent, and Node.js then never closes it.
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
};

/** A client's connection and the one made to the target for it. */
class ProxiedConnection {
  readonly #client: Socket;
  readonly #target: FaultTarget;
  readonly #conditions: () => LineConditions;
  readonly #random: () => number;
  readonly #closed: () => void;
  #upstream: Socket | undefined;
  #flows: { readonly toTarget: FaultFlow; readonly toClient: FaultFlow } | undefined;
  #state: State;
  /** One side is gone, and the other has not been told because nothing gets through. */
  #broken = false;

  constructor(
    client: Socket,
    target: FaultTarget,
    line: { conditions: () => LineConditions; random: () => number },
    state: State,
    closed: () => void,
  ) {
    this.#client = client;
    this.#target = target;
    this.#conditions = line.conditions;
    this.#random = line.random;
    this.#closed = closed;
    this.#state = state;
    this.#watch(client);
    this.enter(state);
  }

  enter(state: State): void {
    this.#state = state;
    if (state === "cut" || (this.#broken && state === "forwarding")) {
      this.reset();
      return;
    }
    // A black hole lets nobody through to the target: the connection to it is made when the line is back.
    if (this.#upstream === undefined && state !== "stalled") this.#open();
    if (this.#flows === undefined) return;
    this.#flows.toTarget.stalled = this.#stalls("toTarget");
    this.#flows.toClient.stalled = this.#stalls("toClient");
  }

  /** Both ends see "connection reset by peer". */
  reset(): void {
    reset(this.#client);
    if (this.#upstream !== undefined) reset(this.#upstream);
  }

  #stalls(direction: FaultDirection): boolean {
    return this.#state === "stalled" || this.#state === direction;
  }

  #open(): void {
    const upstream = connect({ ...this.#target, noDelay: true, allowHalfOpen: true });
    this.#upstream = upstream;
    this.#watch(upstream);
    upstream.once("connect", () => {
      const to = (from: Socket, other: Socket, direction: FaultDirection): FaultFlow =>
        new FaultFlow(from, other, this.#conditions, this.#random, this.#stalls(direction));
      this.#flows = {
        toTarget: to(this.#client, upstream, "toTarget"),
        toClient: to(upstream, this.#client, "toClient"),
      };
    });
  }

  #watch(socket: Socket): void {
    // What an error means for the other side is decided when the socket closes.
    socket.on("error", () => {});
    socket.on("close", (failed) => this.#onClose(socket, failed));
  }

  #onClose(socket: Socket, failed: boolean): void {
    const other = socket === this.#client ? this.#upstream : this.#client;
    if (other === undefined || other.destroyed) {
      this.#flows?.toTarget.stop();
      this.#flows?.toClient.stop();
      this.#closed();
    } else if (!failed && socket.readableEnded) {
      // An orderly close: it reaches the other side as an end of stream, behind the bytes under way.
    } else if (this.#state === "forwarding") this.reset();
    else this.#broken = true;
  }
}

interface Controls {
  state(state: State): void;
  line(conditions: Partial<LineConditions>): void;
}

/** A TCP proxy on the loopback interface that makes the faults of a network, one state at a time. */
export class FaultProxy {
  readonly host = "127.0.0.1";
  readonly port: number;
  readonly #server: Server;
  readonly #connections: Set<ProxiedConnection>;
  readonly #set: Controls;

  /** Made by {@link startFaultProxy}. */
  constructor(server: Server, port: number, connections: Set<ProxiedConnection>, set: Controls) {
    this.#server = server;
    this.port = port;
    this.#connections = connections;
    this.#set = set;
  }

  /** How many connections clients have to it, stalled ones too. */
  get connections(): number {
    return this.#connections.size;
  }

  /** The URL given, with the proxy's host and port in place of the server's. */
  url(of: string): string {
    const url = new URL(of);
    url.hostname = this.host;
    url.port = String(this.port);
    return url.href;
  }

  /** Each byte is under way for `latencyMs` and up to `jitterMs` more, each way. 0 takes it off. */
  latency(latencyMs: number, jitterMs = 0): void {
    this.#set.line({ latencyMs, jitterMs });
  }

  /** Each direction of each connection carries this much. `Infinity` takes the limit off. */
  bandwidth(bytesPerSecond: number): void {
    this.#set.line({ bytesPerSecond });
  }

  /** A black hole: connections are accepted and stay open, and nothing gets through until {@link heal}. */
  drop(): void {
    this.#set.state("stalled");
  }

  /** Nothing gets through in one direction, and what is sent in the other arrives, until {@link heal}. */
  halfOpen(lost: FaultDirection): void {
    this.#set.state(lost);
  }

  /** Resets every connection there is; new ones are welcome. */
  reset(): void {
    for (const connection of this.#connections) connection.reset();
  }

  /** Resets every connection, and each new one as soon as it is made, until {@link heal}. */
  cut(): void {
    this.#set.state("cut");
  }

  /** Forwards again. What a stalled line held back arrives now, as TCP would send it again. Latency and bandwidth stay. */
  heal(): void {
    this.#set.state("forwarding");
  }

  /** Closes every connection and the port. */
  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.reset();
    await closed;
  }
}

/**
 * Starts a proxy in front of a server, forwarding without delay or limit.
 * @param seed Decides the jitter.
 */
export const startFaultProxy = async (target: FaultTarget, seed = 1): Promise<FaultProxy> => {
  let state: State = "forwarding";
  let conditions: LineConditions = { latencyMs: 0, jitterMs: 0, bytesPerSecond: Infinity };
  const line = { conditions: () => conditions, random: seeded(seed) };
  const connections = new Set<ProxiedConnection>();
  const server = createServer({ pauseOnConnect: true, noDelay: true, allowHalfOpen: true }, (client) => {
    if (state === "cut") {
      client.on("error", () => {}).resetAndDestroy();
      return;
    }
    const connection: ProxiedConnection = new ProxiedConnection(client, target, line, state, () =>
      connections.delete(connection),
    );
    connections.add(connection);
  });
  const port = await listen(server);
  return new FaultProxy(server, port, connections, {
    state: (next) => {
      state = next;
      for (const connection of connections) connection.enter(next);
    },
    line: (changes) => {
      conditions = { ...conditions, ...changes };
    },
  });
};
