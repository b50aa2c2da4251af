import { expect, it } from "@jest/globals";
import type { BusSubject, ConformanceCase } from "@warp/conformance";
import { type BusListener, systemRandom } from "@warp/core";
import { NatsBus, type NatsBusOptions, type NatsClient } from "../src/index.ts";
import { type Client, Connections } from "./clients.ts";

/** Two nodes, each with a connection of its own, on a subject that nothing else uses. */
export const openPair = async (
  client: Client,
  urls: readonly [string, string],
  options: NatsBusOptions = {},
): Promise<BusSubject & { readonly other: NatsBus; readonly port: NatsBus }> => {
  const connections = new Connections();
  const settings = { subject: uniqueSubject(), ...options };
  const open = async (url: string): Promise<NatsBus> =>
    new NatsBus(await connections.connect(client, { url }), settings);
  const [port, other] = await Promise.all([open(urls[0]), open(urls[1])]);
  const close = async (): Promise<void> => {
    if (settings.jetStream !== undefined)
      await deleteStream(await connections.connect(client, { url: urls[0] }), settings.subject);
    await connections.close();
  };
  return { port, other, close };
};

/** Asks until it is answered: a cluster that is choosing a leader leaves a request unanswered for good. */
export const deleteStream = async (connection: NatsClient, stream: string): Promise<void> => {
  const isAnswered = (): Promise<boolean> =>
    connection.request(`$JS.API.STREAM.DELETE.${stream}`, new Uint8Array(), { timeout: 1_000 }).then(
      () => true,
      () => false,
    );
  await until(`the stream ${stream} is deleted`, isAnswered, 20_000);
};

export const uniqueSubject = (): string => `t-${systemRandom.id()}`;

/** @param exempt Facts that the subject does not have. */
export const register = (cases: readonly ConformanceCase[], exempt: readonly string[] = []): void => {
  for (const { name, needs, run } of cases) {
    const expected = needs !== undefined && exempt.includes(needs) ? "exempt" : "checked";
    it(name, async () => expect(await run()).toBe(expected), 30_000);
  }
};

/** Remembers what it was told. */
export class Recorder implements BusListener {
  readonly texts: string[] = [];
  readonly gaps: string[] = [];

  onFrame(frame: Uint8Array): void {
    this.texts.push(Buffer.from(frame).toString());
  }

  onGap(reason: string): void {
    this.gaps.push(reason);
  }
}

/** Resolves once `condition` holds. */
export const until = async (
  what: string,
  condition: () => boolean | Promise<boolean>,
  withinMs = 10_000,
): Promise<void> => {
  for (const deadline = performance.now() + withinMs; !(await condition()); await breath())
    if (performance.now() > deadline) throw new Error(`did not come about: ${what}`);
};

const breath = (): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(() => resolve(), 3);
  });

/** What `promise` rejects with. */
export const rejectionOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => {
      throw new Error(`resolved with ${JSON.stringify(value)}`);
    },
    (error: unknown) => error,
  );
