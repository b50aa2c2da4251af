import { type Bus, type BusListener, type CallOptions, type NodeId, systemRandom, WarpError } from "@warp/core";
import { ConnectionWatch } from "./connection-watch.ts";
import { busError } from "./failures.ts";
import { LiveSubscription } from "./live-subscription.ts";
import type { NatsClient } from "./nats-client.ts";
import { type NatsBusOptions, type NatsBusSettings, settingsOf } from "./options.ts";
import { Sender } from "./sender.ts";
import { Stream, streamError } from "./stream.ts";
import { StreamSubscription } from "./stream-subscription.ts";
import { broadcastSubject, deliverySubject, directSubject, isDirectSubject } from "./subjects.ts";
import { requireAwaited, within } from "./within.ts";

const settleInClusterMs = 200;
const askMs = 5_000;

/** A `Bus` on NATS: core NATS, or with the option `jetStream` a stream that keeps broadcasts for a while. */
export class NatsBus implements Bus {
  readonly portVersion = 1;
  /** What the server took when the bus was made, and at most the option of this name. */
  readonly maxFrameBytes: number;
  readonly #connection: NatsClient;
  readonly #settings: NatsBusSettings;
  readonly #watch: ConnectionWatch;
  readonly #sender: Sender;
  readonly #stream: Stream | undefined;

  /**
   * @param connection Made by the caller, who also closes it. Of `nats` 2 or `@nats-io/transport-node` 3, with
   *   `maxReconnectAttempts: -1` and without `noEcho`.
   * @throws {WarpError} `INVALID_ARGUMENT` naming the option; `UNSUPPORTED` for another client.
   */
  constructor(connection: NatsClient, options: NatsBusOptions = {}) {
    if (typeof (connection as Partial<NatsClient> | undefined)?.publish !== "function")
      throw new WarpError(
        "UNSUPPORTED",
        "NatsBus needs a connection of nats 2 or @nats-io/transport-node 3: publish is missing",
      );
    const settings = settingsOf(options);
    this.#connection = connection;
    this.#settings = settings;
    this.maxFrameBytes = Math.min(settings.maxFrameBytes, connection.info?.max_payload ?? Number.POSITIVE_INFINITY);
    this.#watch = new ConnectionWatch(connection);
    this.#sender = new Sender(connection, this.#watch, settings.clock);
    const { jetStream, subject } = settings;
    if (jetStream !== undefined)
      this.#stream = new Stream(connection, jetStream, broadcastSubject(subject), this.maxFrameBytes);
  }

  /**
   * A broadcast resolves once the server has the frame: after one round trip, which the calls of a tick share; with
   * `jetStream` once the stream has stored it. A frame to one node resolves at once, also while there is no connection:
   * the client keeps it until it dials.
   * @throws {WarpError} `UNAVAILABLE` while there is no connection, and for want of a permission; `DEADLINE_EXCEEDED`,
   *   `ABORTED`: the frame may still arrive; `INVALID_ARGUMENT` above `maxFrameBytes`; `UNSUPPORTED` above what the
   *   server takes that it is connected to now.
   */
  async publish(frame: Uint8Array, to?: NodeId, options?: CallOptions): Promise<void> {
    requireAwaited(options, "publish");
    this.#requireRoom(frame);
    const { subject, clock } = this.#settings;
    // The client keeps it in its buffer also when nobody waits any more, and then it is the caller's again.
    const own = Buffer.from(frame);
    if (to !== undefined) return this.#sender.hand(directSubject(subject, to), own, options);
    if (this.#stream === undefined) return await this.#sender.send(broadcastSubject(subject), own, options);
    await within(this.#store(this.#stream, own, options), { operation: "publish", call: options, clock });
  }

  /**
   * Resolves once the server has the subscription; where it belongs to a cluster, after the time of the option `settle`
   * more, in which the other servers learn of it.
   * @throws {WarpError} `UNAVAILABLE` while there is no connection, and for want of a permission; `DEADLINE_EXCEEDED`,
   *   `ABORTED`; with `jetStream` also `UNSUPPORTED`, if there is a stream of that name that is not fit for a bus.
   */
  async subscribe(node: NodeId, listener: BusListener, options?: CallOptions): Promise<() => Promise<void>> {
    requireAwaited(options, "subscribe");
    const { subject, clock } = this.#settings;
    const [all, direct] = [broadcastSubject(subject), directSubject(subject, node)];
    const parts = { connection: this.#connection, watch: this.#watch, clock };
    const onRefused = (refused: string, cause: unknown): void => {
      // A broadcast has somebody waiting for it, who is told; others may use the connection too.
      if (isDirectSubject(subject, refused)) this.#sender.refused(refused, cause);
    };
    const live = { ...parts, onRefused, settleMs: () => this.#settleMs() };
    const stream = this.#stream;
    if (stream === undefined) {
      const subscription = new LiveSubscription({ ...live, subjects: [all, direct], listener });
      await subscription.open(options);
      return async () => subscription.end();
    }
    // Core repeats direct frames where they matter, and does not count them.
    const quiet: BusListener = { onFrame: (frame) => listener.onFrame(frame), onGap: () => {} };
    const subscription = new LiveSubscription({ ...live, subjects: [direct], listener: quiet });
    const nextDeliverySubject = (): string => deliverySubject(subject, node, systemRandom.id());
    const stored = new StreamSubscription({ ...parts, stream, listener, nextDeliverySubject });
    const end = async (): Promise<void> => {
      stored.end();
      subscription.end();
    };
    const opened = await Promise.allSettled([subscription.open(options), stored.open(options)]);
    for (const outcome of opened) {
      if (outcome.status === "fulfilled") continue;
      await end();
      throw outcome.reason;
    }
    return end;
  }

  async #store(stream: Stream, frame: Uint8Array, options: CallOptions | undefined): Promise<void> {
    const timeoutMs = options?.timeoutMs ?? askMs;
    try {
      await stream.ready(timeoutMs);
      await stream.publish(frame, timeoutMs);
    } catch (error) {
      // It may have been deleted: it is looked for again next time.
      stream.forget();
      throw streamError("publish", error);
    }
  }

  #requireRoom({ length }: Uint8Array): void {
    if (length > this.maxFrameBytes) {
      const message = `a frame of ${length} bytes is above the limit of ${this.maxFrameBytes}`;
      throw busError("INVALID_ARGUMENT", message, "publish");
    }
    const most = this.#connection.info?.max_payload;
    if (most !== undefined && length > most) {
      const message = `the NATS server takes ${most} bytes (max_payload), less than when the bus was made: a frame has ${length}`;
      throw busError("UNSUPPORTED", message, "publish");
    }
  }

  #settleMs(): number {
    return this.#settings.settleMs ?? (this.#connection.info?.cluster === undefined ? 0 : settleInClusterMs);
  }
}
