import type { BusListener, CallOptions, Cancel, Clock } from "@warp/core";
import type { ConnectionWatch } from "./connection-watch.ts";
import { busError, unavailable } from "./failures.ts";
import type { NatsClient, NatsMessage, NatsSubscription } from "./nats-client.ts";
import { within } from "./within.ts";

/** What a subscription of core NATS is made of. */
export interface LiveParts {
  readonly connection: NatsClient;
  readonly watch: ConnectionWatch;
  readonly clock: Pick<Clock, "schedule">;
  readonly subjects: readonly string[];
  readonly listener: BusListener;
  /** Told while the subscription stands of what the server does not let this user publish to. */
  readonly onRefused: (subject: string, cause: unknown) => void;
  /** How long the other servers of a cluster are given to learn of a subscription, in milliseconds. */
  readonly settleMs: () => number;
}

const hearing: CallOptions = { timeoutMs: 10_000 };

/**
 * Hears what is published while the connection stands; nothing is sent again. States: opening, until the server has the
 * subscriptions; live; ended. A break of the connection is a gap, told once the server has the subscriptions again.
 */
export class LiveSubscription {
  readonly #parts: LiveParts;
  readonly #subscriptions: Map<string, NatsSubscription> = new Map();
  #ignore: Cancel | undefined;
  #refusal: unknown;
  #isLive = false;
  #ended = false;

  constructor(parts: LiveParts) {
    this.#parts = parts;
  }

  /** @throws {WarpError} `UNAVAILABLE` if the server refuses a subscription, or cannot be asked. */
  async open(call: CallOptions | undefined): Promise<void> {
    const { watch, onRefused } = this.#parts;
    let closed: (cause: unknown) => void = () => {};
    const closing = new Promise<never>((_, reject) => {
      closed = reject;
    });
    closing.catch(() => {});
    this.#ignore = watch.add({
      onReconnected: () => void this.#afterReconnect(),
      onRefused,
      onClosed: (cause) => {
        closed(busError("UNAVAILABLE", "the connection to NATS was closed", "subscribe", cause));
        this.#gap("the connection to NATS was closed for good");
      },
    });
    try {
      this.#subscribe();
      await within(Promise.race([this.#heard(), closing]), { ...this.#patience, call });
      if (this.#refusal !== undefined) throw this.#refusal;
      this.#isLive = true;
    } catch (error) {
      this.end();
      throw unavailable("subscribe", error);
    }
  }

  end(): void {
    this.#ended = true;
    this.#ignore?.();
    for (const subscription of this.#subscriptions.values()) subscription.unsubscribe();
    this.#subscriptions.clear();
  }

  get #patience(): { readonly operation: string; readonly clock: Pick<Clock, "schedule"> } {
    return { operation: "subscribe", clock: this.#parts.clock };
  }

  /** Those that are not there, or not any more: the server may have refused one. */
  #subscribe(): void {
    const { connection, subjects, listener } = this.#parts;
    for (const subject of subjects) {
      if (this.#subscriptions.get(subject)?.isClosed() === false) continue;
      const callback = (error: Error | null, message: NatsMessage): void => {
        if (this.#ended) return;
        if (error === null) listener.onFrame(message.data);
        else this.#refused(subject, error);
      };
      this.#subscriptions.set(subject, connection.subscribe(subject, { callback }));
    }
  }

  #refused(subject: string, cause: unknown): void {
    const message = `NATS does not let this user subscribe to ${subject}`;
    this.#refusal = busError("UNAVAILABLE", message, "subscribe", cause);
    if (this.#isLive) this.#gap(message);
  }

  /** Resolves once this server has the subscriptions, and others of its cluster have had time to learn of them. */
  async #heard(): Promise<void> {
    await this.#parts.connection.flush();
    if (!this.#ended && this.#refusal === undefined) await this.#settled();
  }

  #settled(): Promise<void> {
    const { clock, settleMs } = this.#parts;
    const ms = settleMs();
    if (ms <= 0) return Promise.resolve();
    return new Promise((resolve) => {
      clock.schedule(ms, resolve);
    });
  }

  /** Never rejects: where the connection breaks again, another reconnect follows. */
  async #afterReconnect(): Promise<void> {
    if (this.#ended) return;
    try {
      this.#subscribe();
      await within(this.#parts.connection.flush(), { ...this.#patience, call: hearing });
      this.#gap("the connection to NATS broke and was made again");
      if (this.#parts.settleMs() <= 0) return;
      await this.#settled();
      this.#gap("the other servers of the NATS cluster did not know at once that this node is back");
    } catch {
      this.#gap("the connection to NATS broke, was made again, and does not answer");
    }
  }

  #gap(reason: string): void {
    if (!this.#ended) this.#parts.listener.onGap(reason);
  }
}
