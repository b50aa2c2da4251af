import { connect as connectNode, type NatsConnection as NodeConnection } from "@nats-io/transport-node";
import { connect as connectNats, type NatsConnection } from "nats";
import type { NatsClient } from "../src/index.ts";

({}) as NatsConnection satisfies NatsClient;
({}) as NodeConnection satisfies NatsClient;

export interface ConnectOptions {
  /** URLs with commas between. */
  readonly url: string;
  readonly user?: string;
  readonly pass?: string;
  readonly maxReconnectAttempts?: number;
  readonly noEcho?: boolean;
}

/** A connection as a bootstrap has it; the tests end it. */
export interface Connected extends NatsClient {
  close(): Promise<void>;
  isClosed(): boolean;
}

export interface Client {
  readonly name: string;
  connect(options: ConnectOptions): Promise<Connected>;
}

const complete = ({ url, ...options }: ConnectOptions) => ({
  servers: url.split(","),
  maxReconnectAttempts: -1,
  reconnectTimeWait: 50,
  reconnectJitter: 0,
  // The first of the URLs first.
  noRandomize: true,
  ...options,
});

/** The clients that this package is for. */
export const clients: readonly Client[] = [
  { name: "nats 2", connect: (options) => connectNats(complete(options)) },
  { name: "@nats-io/transport-node 3", connect: (options) => connectNode(complete(options)) },
];

/** Connections that end together. */
export class Connections {
  readonly #open: Connected[] = [];

  async connect(client: Client, options: ConnectOptions): Promise<Connected> {
    const connection = await client.connect(options);
    this.#open.push(connection);
    return connection;
  }

  async close(): Promise<void> {
    await Promise.all(this.#open.splice(0).map((connection) => connection.close()));
  }
}
