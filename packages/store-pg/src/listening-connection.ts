import { type Cancel, type Clock, newOperationId, WarpError } from "@warp/core";
import type { PgResult } from "./pg-client.ts";

/** What a connection says that `LISTEN`s. */
export interface PgNotification {
  /** Where it was sent. */
  readonly channel: string;
  /** What was sent; some clients leave out an empty one. */
  readonly payload?: string | undefined;
}

/** The part of pg's `Client` that the change feed calls. */
export interface PgListeningClient {
  /** Connects. Called once. */
  connect(): Promise<unknown>;
  /** Sends one statement, or several without values. */
  query(text: string, values?: unknown[]): Promise<PgResult>;
  /** Hears what is sent to a channel. */
  on(event: "notification", listener: (notification: PgNotification) => void): unknown;
  /** Hears that the connection broke. */
  on(event: "error", listener: (error: Error) => void): unknown;
  /** Hears that the connection is over. */
  on(event: "end", listener: () => void): unknown;
  /** Ends the connection; cuts it where a statement is under way. */
  end(): Promise<void>;
}

export interface ListeningOptions {
  readonly client: PgListeningClient;
  readonly channel: string;
  /** Answers with a row if what is listened for is going to be sent. */
  readonly check: { readonly text: string; readonly values: unknown[] };
  readonly keepAliveMs: number;
  /** The longest that one answer may take, in milliseconds. */
  readonly answerWithinMs: number;
  readonly timers: Pick<Clock, "schedule">;
  readonly onPayload: (payload: string) => void;
  /** Called once, and only after `open` has resolved. */
  readonly onLost: (reason: unknown) => void;
}

const ignore = (): void => {};

/**
 * One connection that listens, and knows that it does: every now and then it sends itself a notification, so that a
 * connection that has silently died, or a pooler that listens on another one, is noticed. States: new, live, over.
 */
export class ListeningConnection {
  readonly #options: ListeningOptions;
  /** Only this connection listens there. */
  readonly #own: string = `warp_${newOperationId()}`;
  #state: "new" | "live" | "over" = "new";
  #asked: Promise<unknown> = Promise.resolve();
  #pings = 0;
  #onEcho: (payload: string) => void = ignore;
  #cancel: Cancel = ignore;

  constructor(options: ListeningOptions) {
    this.#options = options;
  }

  /** Resolves once everything sent from now on is heard. @throws {WarpError} `UNSUPPORTED`; what the client rejects with. */
  async open(): Promise<void> {
    const { client, channel } = this.#options;
    client.on("error", (error) => this.#lost(error));
    client.on("end", () => this.#lost(new Error("the connection to PostgreSQL ended")));
    client.on("notification", (notification) => this.#heard(notification));
    try {
      await this.#timely(client.connect(), "a connection");
      await this.#ask(`LISTEN "${channel}"; LISTEN "${this.#own}"`);
      await this.#verify();
    } catch (error) {
      void this.close();
      throw error;
    }
    this.#state = "live";
    this.#arm();
  }

  /** Resolves once the connection is over, or does not answer. */
  async close(): Promise<void> {
    this.#state = "over";
    this.#cancel();
    const { client } = this.#options;
    try {
      await this.#timely(this.#asked, "the last answer");
      await this.#ask("UNLISTEN *");
    } catch {
      // Then a statement is under way, and what follows cuts the connection.
    }
    await this.#timely(client.end(), "the end").catch(ignore);
  }

  #lost(reason: unknown): void {
    if (this.#state !== "live") return;
    void this.close();
    this.#options.onLost(reason);
  }

  #heard({ channel, payload = "" }: PgNotification): void {
    if (channel === this.#own) this.#onEcho(payload);
    else if (this.#state !== "over" && channel === this.#options.channel) this.#options.onPayload(payload);
  }

  #arm(): void {
    const verify = (): void => {
      this.#verify().then(
        () => this.#state === "live" && this.#arm(),
        (error: unknown) => this.#lost(error),
      );
    };
    this.#cancel = this.#options.timers.schedule(this.#options.keepAliveMs, verify, true);
  }

  /** @throws If nothing is sent, or nothing is heard. */
  async #verify(): Promise<void> {
    const { check } = this.#options;
    const { rows } = await this.#ask(check.text, check.values);
    if (rows.length === 0)
      throw new WarpError("UNSUPPORTED", "nothing tells of changes: call migrate({ changeFeed: true }) once", {
        port: "change-feed",
      });
    const id = String(++this.#pings);
    const echo = new Promise<void>((resolve) => {
      this.#onEcho = (payload) => payload === id && resolve();
    });
    await this.#ask("SELECT pg_notify($1::text, $2::text)", [this.#own, id]);
    await this.#timely(echo, "its own notification; behind a pooler a connection of its own is needed");
  }

  #ask(text: string, values?: unknown[]): Promise<PgResult> {
    const answer = this.#options.client.query(text, values);
    this.#asked = answer;
    return this.#timely(answer, "an answer");
  }

  #timely<T>(work: Promise<T>, what: string): Promise<T> {
    const { timers, answerWithinMs } = this.#options;
    return new Promise<T>((resolve, reject) => {
      const late = (): void => reject(new Error(`the change feed waited ${answerWithinMs} ms for ${what}`));
      const cancel = timers.schedule(answerWithinMs, late, true);
      work.then(resolve, reject).finally(cancel).catch(ignore);
    });
  }
}
