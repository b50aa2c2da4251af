import { expect, it } from "@jest/globals";
import { PgChangeFeed, type PgListeningClient, type PgNotification } from "../src/index.ts";
import { until } from "./waiting.ts";

/** Says yes to everything, hears what it sends, and connects when a test lets it. */
class HandClient implements PgListeningClient {
  ended = false;
  readonly #connected: Promise<void>;
  #notify: (notification: PgNotification) => void = () => undefined;
  #fail: (error: Error) => void = () => undefined;

  constructor(connected: Promise<void>) {
    this.#connected = connected;
  }

  connect(): Promise<void> {
    return this.#connected;
  }

  async query(text: string, values: unknown[] = []) {
    if (text.includes("pg_notify")) this.#notify({ channel: String(values[0]), payload: String(values[1]) });
    return { rows: [{}], rowCount: 1 };
  }

  on(event: string, listener: (what: never) => void): void {
    if (event === "notification") this.#notify = listener as (notification: PgNotification) => void;
    if (event === "error") this.#fail = listener as (error: Error) => void;
  }

  async end(): Promise<void> {
    this.ended = true;
  }

  fail(): void {
    this.#fail(new Error("the connection broke"));
  }
}

it("a watch that ends while its feed connects again leaves no connection behind, and is told nothing more", async () => {
  let connect = (): void => undefined;
  const late = new Promise<void>((resolve) => {
    connect = resolve;
  });
  const clients: HandClient[] = [];
  const feed = new PgChangeFeed(() => {
    const client = new HandClient(clients.length === 0 ? Promise.resolve() : late);
    clients.push(client);
    return client;
  });
  let gaps = 0;
  const onGap = (): void => {
    gaps += 1;
  };
  const end = await feed.watch({ onChange: () => undefined, onGap });
  clients[0]?.fail();
  await until("it connects again", () => clients.length === 2);
  await end();
  connect();
  await until("the late connection is ended", () => clients[1]?.ended === true);
  expect([clients.length, gaps]).toEqual([2, 1]);
});
