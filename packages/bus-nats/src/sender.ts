import { setImmediate as turnOfEventLoop } from "node:timers/promises";
import type { CallOptions, Clock, WarpError } from "@warp/core";
import type { ConnectionWatch } from "./connection-watch.ts";
import { busError, unavailable } from "./failures.ts";
import type { NatsClient } from "./nats-client.ts";
import { requireAwaited, within } from "./within.ts";

/** A message for the client. */
interface Outgoing {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly call: CallOptions | undefined;
  /** Absent where nobody waits for the server to take it. */
  readonly taken?: { resolve(): void; reject(error: unknown): void };
}

/** One that somebody waits for. */
type Confirmed = Required<Outgoing>;

const refusal = (subject: string, cause: unknown): WarpError =>
  busError("UNAVAILABLE", `NATS does not let this user publish to ${subject}`, "publish", cause);

/**
 * Hands messages to the server. Those of a tick that somebody waits for share one round trip, a PING, whose PONG says
 * that the server has handled what came before (NATS client protocol). They are put into the client's buffer together
 * with it: the client empties that when it dials, and a PING that stayed would vouch for messages that went.
 */
export class Sender {
  readonly #connection: NatsClient;
  readonly #watch: ConnectionWatch;
  readonly #clock: Pick<Clock, "schedule">;
  #waiting: Outgoing[] = [];
  /** Of a message that was handed over, and not told yet. */
  #refusal: WarpError | undefined;

  constructor(connection: NatsClient, watch: ConnectionWatch, clock: Pick<Clock, "schedule">) {
    this.#connection = connection;
    this.#watch = watch;
    this.#clock = clock;
  }

  /** Resolves once the server has the message. */
  send(subject: string, data: Uint8Array, call: CallOptions | undefined): Promise<void> {
    const taken = new Promise<void>((resolve, reject) => {
      this.#waiting.push({ subject, data, call, taken: { resolve, reject } });
      if (this.#waiting.length === 1) this.#sendSoon();
    });
    return within(taken, { operation: "publish", call, clock: this.#clock });
  }

  /**
   * Hands a message to the client, and nobody hears whether the server took it: a PING and its PONG cost two processes
   * more than the message. It goes at once, but behind what waits for its turn.
   * @throws {WarpError} `UNAVAILABLE` where the client does not take it, or the server did not take an earlier one: that
   *   is told once, and this one goes all the same.
   */
  hand(subject: string, data: Uint8Array, call: CallOptions | undefined): void {
    requireAwaited(call, "publish");
    try {
      if (this.#waiting.length > 0) this.#waiting.push({ subject, data, call });
      else this.#connection.publish(subject, data);
    } catch (error) {
      throw unavailable("publish", error);
    }
    const refused = this.#refusal;
    this.#refusal = undefined;
    if (refused !== undefined) throw refused;
  }

  /** The server did not take a message that was handed over. */
  refused(subject: string, cause: unknown): void {
    this.#refusal = refusal(subject, cause);
  }

  /** After all that is due in this turn: what one reply set off shares one write to the socket, and one PING. */
  #sendSoon(): void {
    // From within a tick the next tick comes before the microtasks; from within a microtask after them.
    queueMicrotask(() => process.nextTick(() => this.#sendWaiting()));
  }

  #sendWaiting(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    const sent: Confirmed[] = [];
    for (const outgoing of waiting) {
      try {
        requireAwaited(outgoing.call, "publish");
        this.#connection.publish(outgoing.subject, outgoing.data);
        if (outgoing.taken !== undefined) sent.push(outgoing as Confirmed);
      } catch (error) {
        outgoing.taken?.reject(unavailable("publish", error));
      }
    }
    if (sent.length > 0) void this.#settle(sent);
  }

  /** Never rejects. */
  async #settle(sent: readonly Confirmed[]): Promise<void> {
    const rejectAll = (error: unknown): void => {
      for (const { taken } of sent) taken.reject(unavailable("publish", error));
    };
    const ignore = this.#watch.add({
      onClosed: (cause) => rejectAll(busError("UNAVAILABLE", "the connection to NATS was closed", "publish", cause)),
      onRefused: (refused, cause) => {
        for (const { subject, taken } of sent) if (subject === refused) taken.reject(refusal(subject, cause));
      },
    });
    try {
      await this.#connection.flush();
      // The client tells of a refusal, which comes before the PONG, a few microtasks after it.
      await turnOfEventLoop();
      for (const { taken } of sent) taken.resolve();
    } catch (error) {
      rejectAll(error);
    } finally {
      ignore();
    }
  }
}
