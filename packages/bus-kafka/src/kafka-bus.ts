import { type Bus, type BusListener, type CallOptions, type Cancel, type NodeId, WarpError } from "@warp/core";
import { busError } from "./failures.ts";
import type { KafkaClient } from "./kafka-client.ts";
import { type KafkaBusOptions, type KafkaBusSettings, settingsOf, surroundingsBytes } from "./options.ts";
import { Publisher } from "./publisher.ts";
import { Subscription } from "./subscription.ts";
import { Topic } from "./topic.ts";
import { within } from "./within.ts";

/** How long a subscription that nobody waited for is kept for the next call that wants it. */
const keptMs = 30_000;

/** A subscription whose caller gave up while it formed. */
interface Kept {
  readonly subscription: Subscription;
  readonly cancel: Cancel;
}

/** A `Bus` on one Kafka topic, which every node reads whole, from the end on. */
export class KafkaBus implements Bus {
  readonly portVersion = 1;
  /** 1 KiB below the option `maxMessageBytes`. */
  readonly maxFrameBytes: number;
  readonly #kafka: KafkaClient;
  readonly #settings: KafkaBusSettings;
  readonly #topic: Topic;
  readonly #publisher: Publisher;
  readonly #subscriptions: Set<Subscription> = new Set();
  readonly #kept: Map<NodeId, Kept> = new Map();
  #isClosed = false;

  /**
   * @param kafka Of kafkajs; made by the caller. What the bus makes with it, it ends.
   * @throws {WarpError} `INVALID_ARGUMENT` naming the option; `UNSUPPORTED` for another client.
   */
  constructor(kafka: KafkaClient, options: KafkaBusOptions = {}) {
    if (typeof (kafka as Partial<KafkaClient> | undefined)?.producer !== "function")
      throw new WarpError("UNSUPPORTED", "KafkaBus needs a Kafka object of kafkajs 2: producer is missing");
    this.#kafka = kafka;
    this.#settings = settingsOf(options);
    this.maxFrameBytes = this.#settings.maxMessageBytes - surroundingsBytes;
    this.#topic = new Topic(kafka, this.#settings);
    this.#publisher = new Publisher(kafka, this.#settings, this.#topic);
  }

  /**
   * Resolves once Kafka has the frame, as `acks` wants it. Frames published in one turn of the event loop, or while a
   * request is under way, share the next request. `to` is a header: each node reads the frame, only that one takes it.
   * @throws {WarpError} `UNAVAILABLE`: it may have been written nevertheless; `DEADLINE_EXCEEDED`, `ABORTED`: so it may if
   *   its request had been made; `INVALID_ARGUMENT` above `maxFrameBytes`; `UNSUPPORTED` above what the topic takes; `CLOSED`.
   */
  async publish(frame: Uint8Array, to?: NodeId, options?: CallOptions): Promise<void> {
    if (frame.length > this.maxFrameBytes) {
      const message = `a frame of ${frame.length} bytes is above the limit of ${this.maxFrameBytes}`;
      throw busError("INVALID_ARGUMENT", message);
    }
    await this.#publisher.publish(frame, to, options);
  }

  /**
   * Resolves once the node has joined its group and its place in every partition is known: what is published later lies
   * behind. A broker lets a new group wait for members (`group.initial.rebalance.delay.ms`, 3 s by default), perhaps for
   * longer than the caller does: then it goes on, and a call for the same node within 30 s finds it.
   * @throws {WarpError} `UNAVAILABLE`, also if there is no topic; `DEADLINE_EXCEEDED`, `ABORTED`, `CLOSED`.
   */
  async subscribe(node: NodeId, listener: BusListener, options: CallOptions = {}): Promise<() => Promise<void>> {
    if (this.#isClosed) throw busError("CLOSED", "this KafkaBus is closed");
    const subscription = this.#claim(node);
    try {
      // From here on: frames may come before the caller knows that it is subscribed.
      subscription.listener = listener;
      await within(subscription.standing, "subscribe", options, this.#settings.timers);
    } catch (error) {
      subscription.listener = undefined;
      this.#keep(node, subscription);
      throw error;
    }
    return () => this.#end(subscription);
  }

  /** Ends its subscriptions, its consumers and its producer; waits for what the broker was asked last. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { cancel } of this.#kept.values()) cancel();
    this.#kept.clear();
    await Promise.all([this.#publisher.close(), ...[...this.#subscriptions].map((each) => this.#end(each))]);
  }

  #claim(node: NodeId): Subscription {
    const kept = this.#kept.get(node);
    if (kept !== undefined) {
      this.#kept.delete(node);
      kept.cancel();
      return kept.subscription;
    }
    const subscription = new Subscription({ kafka: this.#kafka, settings: this.#settings, topic: this.#topic }, node);
    this.#subscriptions.add(subscription);
    return subscription;
  }

  /** For the next call; not if it has failed, which ends it. */
  #keep(node: NodeId, subscription: Subscription): void {
    if (this.#isClosed) return;
    const forget = (): void => {
      if (this.#kept.get(node)?.subscription === subscription) this.#kept.delete(node);
      void this.#end(subscription);
    };
    const cancel = this.#settings.timers.schedule(keptMs, forget, true);
    this.#kept.set(node, { subscription, cancel });
    subscription.standing.catch(() => {
      cancel();
      forget();
    });
  }

  async #end(subscription: Subscription): Promise<void> {
    await subscription.end();
    this.#subscriptions.delete(subscription);
  }
}
