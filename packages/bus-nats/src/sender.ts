import { setImmediate as turnOfEventLoop } from "node:timers/promises";
import type { CallOptions, Clock } from "@warp/core";
import type { ConnectionWatch } from "./connection-watch.ts";
import { busError, unavailable } from "./failures.ts";
import type { NatsClient } from "./nats-client.ts";
import { requireAwaited, within } from "./within.ts";

/** A message that waits for the server to take it. */
interface Outgoing {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly call: CallOptions | undefined;
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * Hands messages to the server. The messages of a tick share one round trip, a PING, whose PONG says that the server
 * has handled what came before (NATS client protocol). They are put into the client's buffer together with it: the
 * client empties that when it dials, and a PING that stayed would vouch for messages that went.
 */
export class Sender {
  readonly #connection: NatsClient;
  readonly #watch: ConnectionWatch;
  readonly #clock: Pick<Clock, "schedule">;
  #waiting: Outgoing[] = [];

  constructor(connection: NatsClient, watch: ConnectionWatch, clock: Pick<Clock, "schedule">) {
    this.#connection = connection;
    this.#watch = watch;
    this.#clock = clock;
  }

  /** Resolves once the server has the message. */
  send(subject: string, data: Uint8Array, call: CallOptions | undefined): Promise<void> {
    const taken = new Promise<void>((resolve, reject) => {
      this.#waiting.push({ subject, data, call, resolve, reject });
      if (this.#waiting.length === 1) this.#sendSoon();
    });
    return within(taken, { operation: "publish", call, clock: this.#clock });
  }

  /** After all that is due in this turn: what one reply set off shares one write to the socket, and one PING. */
  #sendSoon(): void {
    // From within a tick the next tick comes before the microtasks; from within a microtask after them.
    queueMicrotask(() => process.nextTick(() => this.#sendWaiting()));
  }

  #sendWaiting(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    const sent: Outgoing[] = [];
    for (const outgoing of waiting) {
      try {
        requireAwaited(outgoing.call, "publish");
        this.#connection.publish(outgoing.subject, outgoing.data);
        sent.push(outgoing);
      } catch (error) {
        outgoing.reject(unavailable("publish", error));
      }
    }
    if (sent.length > 0) void this.#settle(sent);
  }

  /** Never rejects. */
  async #settle(sent: readonly Outgoing[]): Promise<void> {
    const rejectAll = (error: unknown): void => {
      for (const { reject } of sent) reject(unavailable("publish", error));
    };
    const ignore = this.#watch.add({
      onClosed: (cause) => rejectAll(busError("UNAVAILABLE", "the connection to NATS was closed", "publish", cause)),
      onRefused: (refused, cause) => {
        for (const { subject, reject } of sent)
          if (subject === refused)
            reject(busError("UNAVAILABLE", `NATS does not let this user publish to ${subject}`, "publish", cause));
      },
    });
    try {
      await this.#connection.flush();
      // The client tells of a refusal, which comes before the PONG, a few microtasks after it.
      await turnOfEventLoop();
      for (const { resolve } of sent) resolve();
    } catch (error) {
      rejectAll(error);
    } finally {
      ignore();
    }
  }
}
