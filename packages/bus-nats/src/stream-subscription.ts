import type { BusListener, CallOptions, Cancel, Clock } from "@warp/core";
import type { ConnectionWatch } from "./connection-watch.ts";
import { type Control, controlOf, deliveryOf } from "./delivery.ts";
import type { NatsClient, NatsMessage, NatsSubscription } from "./nats-client.ts";
import { isStreamNotFound, type Stream, type StreamState, streamError } from "./stream.ts";
import { within } from "./within.ts";

/** What a subscription of a stream is made of. */
export interface StreamParts {
  readonly connection: NatsClient;
  readonly watch: ConnectionWatch;
  readonly clock: Pick<Clock, "monotonic" | "schedule">;
  readonly stream: Stream;
  readonly listener: BusListener;
  /** A subject that nothing was ever delivered to. */
  readonly nextDeliverySubject: () => string;
}

/** One consumer at the server, and the subscription of what it delivers. */
interface Consumer {
  readonly subscription: NatsSubscription;
  /** The sequence of its last delivery. */
  delivered: number;
}

const heartbeatMs = 1_000;
/** A consumer unheard for so long is gone: its server may be. */
const silentMs = 3 * heartbeatMs;
const askMs = 5_000;
const pauses = { firstMs: 50, longestMs: 1_000 };
/** A stream that was there and is unknown for longer was deleted. */
const unknownForMs = 1_000;

/**
 * Hears a stream from where it subscribed, and after any trouble again from the last frame it heard. States: opening;
 * attached, while a consumer delivers; detached, while it tries to have one; ended. What the stream has dropped before
 * it was heard is a gap.
 */
export class StreamSubscription {
  readonly #parts: StreamParts;
  #consumer: Consumer | undefined;
  #made: string | undefined;
  /** The stream sequence up to which all was heard, or told as a gap. */
  #last = 0;
  #heardAt = 0;
  #attaching: Promise<void> | undefined;
  #ignore: Cancel | undefined;
  #stopTimer: Cancel | undefined;
  #ended = false;

  constructor(parts: StreamParts) {
    this.#parts = parts;
  }

  /** @throws {WarpError} `UNAVAILABLE` without JetStream; `UNSUPPORTED` if the stream is not fit for a bus. */
  async open(call: CallOptions | undefined): Promise<void> {
    const { watch, clock } = this.#parts;
    this.#ignore = watch.add({
      onReconnected: () => this.#reattach(),
      onClosed: () => this.#gap("the connection to NATS was closed for good"),
    });
    try {
      const attached = this.#attach(call?.timeoutMs ?? askMs);
      await within(attached, { operation: "subscribe", call, clock });
    } catch (error) {
      this.end();
      throw streamError("subscribe", error);
    }
    this.#listenForSilence();
  }

  end(): void {
    this.#ended = true;
    this.#ignore?.();
    this.#stopTimer?.();
    this.#detach();
  }

  /** @throws If the server does not answer, or refuses. */
  async #attach(timeoutMs: number): Promise<void> {
    const { connection, stream, nextDeliverySubject, clock } = this.#parts;
    this.#compare(await stream.state(timeoutMs));
    if (this.#ended) return;
    const subject = nextDeliverySubject();
    const callback = (error: Error | null, message: NatsMessage): void => {
      // What comes from an earlier consumer will come again.
      if (this.#ended || this.#consumer !== consumer) return;
      this.#heardAt = clock.monotonic();
      if (error === null) this.#heard(consumer, message);
      else this.#reattach();
    };
    const consumer: Consumer = { subscription: connection.subscribe(subject, { callback }), delivered: 0 };
    this.#consumer = consumer;
    this.#heardAt = clock.monotonic();
    await this.#deliver(subject, timeoutMs);
  }

  /** In a cluster the server that decides may not know of a stream yet that another one has just told of. */
  async #deliver(subject: string, timeoutMs: number): Promise<void> {
    const { stream, clock } = this.#parts;
    const until = clock.monotonic() + Math.min(timeoutMs, unknownForMs);
    for (let pauseMs = pauses.firstMs; ; pauseMs *= 2) {
      try {
        return await stream.deliver(subject, this.#last + 1, heartbeatMs, timeoutMs);
      } catch (error) {
        if (this.#ended || !isStreamNotFound(error) || clock.monotonic() + pauseMs > until) throw error;
        await this.#pause(pauseMs);
      }
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#parts.clock.schedule(ms, resolve, true);
    });
  }

  #detach(): void {
    this.#consumer?.subscription.unsubscribe();
    this.#consumer = undefined;
  }

  /** Whether the stream still goes on where this node stopped. */
  #compare({ created, first, last }: StreamState): void {
    if (this.#made === undefined) this.#last = last;
    else if (this.#made !== created || last < this.#last) {
      this.#gap("the stream was made anew");
      this.#last = last;
    } else if (first > this.#last + 1) {
      this.#gap(`the stream no longer has what came after frame ${this.#last}`);
      this.#last = first - 1;
    }
    this.#made = created;
  }

  /** Never rejects: tries until a consumer delivers again, or the subscription has ended. */
  #reattach(): void {
    if (this.#ended || this.#attaching !== undefined) return;
    this.#detach();
    this.#attaching = this.#attachAgain().finally(() => {
      this.#attaching = undefined;
    });
  }

  async #attachAgain(): Promise<void> {
    for (let pauseMs = pauses.firstMs; !this.#ended; pauseMs = Math.min(2 * pauseMs, pauses.longestMs)) {
      try {
        return await this.#attach(askMs);
      } catch {
        // Core notices by its own frames that a node is deaf; here only time helps.
        this.#detach();
        await this.#pause(pauseMs);
      }
    }
  }

  #heard(consumer: Consumer, message: NatsMessage): void {
    const control = controlOf(message);
    if (control !== undefined) this.#obey(consumer, control);
    else this.#take(consumer, message);
  }

  #take(consumer: Consumer, message: NatsMessage): void {
    const delivery = deliveryOf(message);
    // Not from a consumer: somebody publishes where only the stream should.
    if (delivery === undefined) return;
    const { streamSequence, deliverySequence } = delivery;
    if (deliverySequence !== consumer.delivered + 1) {
      this.#reattach();
      return;
    }
    consumer.delivered = deliverySequence;
    if (streamSequence <= this.#last) return;
    if (streamSequence > this.#last + 1)
      this.#gap(`the stream dropped ${streamSequence - this.#last - 1} frames before this node heard them`);
    this.#last = streamSequence;
    this.#parts.listener.onFrame(message.data);
  }

  #obey(consumer: Consumer, { isRoutine, answerTo, lastDelivered }: Control): void {
    if (!isRoutine || (lastDelivered !== undefined && lastDelivered !== consumer.delivered)) this.#reattach();
    else if (answerTo !== undefined) this.#parts.connection.publish(answerTo);
  }

  #listenForSilence(): void {
    const { clock } = this.#parts;
    if (this.#ended) return;
    this.#stopTimer = clock.schedule(
      heartbeatMs,
      () => {
        if (clock.monotonic() - this.#heardAt > silentMs) this.#reattach();
        this.#listenForSilence();
      },
      true,
    );
  }

  #gap(reason: string): void {
    if (!this.#ended) this.#parts.listener.onGap(reason);
  }
}
