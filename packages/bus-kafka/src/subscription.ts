import type { BusListener, NodeId } from "@warp/core";
import { isUnsettled } from "./failures.ts";
import type { KafkaClient, KafkaIncoming, KafkaOffsets } from "./kafka-client.ts";
import type { KafkaBusSettings } from "./options.ts";
import { Positions } from "./positions.ts";
import { addressHeader } from "./publisher.ts";
import { Reader } from "./reader.ts";
import { settleAttempts, type Topic } from "./topic.ts";

const leastPauseMs = 100;
const longestPauseMs = 2_000;

/** What all subscriptions of a bus share. */
export interface SubscriptionParts {
  readonly kafka: KafkaClient;
  readonly settings: KafkaBusSettings;
  readonly topic: Topic;
}

/**
 * One node's view of the topic, from the end on: a reader, and another one where that stood whenever one crashes. The
 * listener is told of a gap once the new one reads, since nobody can say what became of the log meanwhile.
 */
export class Subscription {
  /** Absent while nobody has waited for it to stand yet. */
  listener: BusListener | undefined;
  /** Resolves once every later frame is certain to be read; rejects if the first attempt failed. */
  readonly standing: Promise<void>;
  readonly #parts: SubscriptionParts;
  readonly #node: NodeId;
  readonly #positions: Positions = new Positions();
  readonly #finished: Promise<void>;
  readonly #ended: Promise<void>;
  #end: () => void = () => {};
  #isOver = false;

  constructor(parts: SubscriptionParts, node: NodeId) {
    this.#parts = parts;
    this.#node = node;
    this.#ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    const first = this.#open((offsets) => this.#positions.startAtEnd(offsets));
    this.standing = first.then(() => {});
    this.#finished = first.then(
      (reader) => this.#follow(reader),
      () => {},
    );
  }

  /** The listener is told nothing from now on. Resolves once the consumer is gone, and its group. */
  async end(): Promise<void> {
    this.listener = undefined;
    this.#isOver = true;
    this.#end();
    await this.#finished;
  }

  async #open(place: (offsets: readonly KafkaOffsets[]) => void): Promise<Reader> {
    // Before the consumer: what is published from now on lies behind these offsets.
    place(await this.#parts.topic.offsets());
    for (let attempt = 0; ; attempt++)
      try {
        return await this.#read();
      } catch (error) {
        if (this.#isOver || attempt === settleAttempts || !isUnsettled(error)) throw error;
        await this.#pause(0);
      }
  }

  async #read(): Promise<Reader> {
    const { kafka, settings } = this.#parts;
    const reader = new Reader(kafka, settings, this.#positions, {
      onMessage: (message) => this.#pass(message),
      onHole: () => this.listener?.onGap("the Kafka log does not go on where it stopped"),
    });
    try {
      await reader.open();
    } catch (error) {
      await reader.close();
      throw error;
    }
    return reader;
  }

  /** Never rejects. */
  async #follow(first: Reader): Promise<void> {
    let reader: Reader | undefined = first;
    while (reader !== undefined) {
      await Promise.race([reader.crashed, this.#ended]);
      const isEmpty = await reader.close();
      // Where it cannot be deleted, the broker forgets it: a group without offsets and members does not last.
      if (isEmpty) await this.#parts.topic.deleteGroup(reader.groupId).catch(() => {});
      reader = await this.#reopen();
    }
  }

  /** @returns `undefined` once the subscription has ended. */
  async #reopen(): Promise<Reader | undefined> {
    for (let attempt = 0; !this.#isOver; attempt++) {
      await this.#pause(attempt);
      if (this.#isOver) return undefined;
      try {
        const reader = await this.#open((offsets) => this.#positions.resume(offsets));
        this.listener?.onGap("the Kafka consumer failed, and was started again where it stood");
        return reader;
      } catch {
        // kafkajs has logged it. The listener hears of it when it works again; until then it hears nothing.
      }
    }
    return undefined;
  }

  /** Half of it is chance: the nodes of a cluster lose their broker together. */
  async #pause(attempt: number): Promise<void> {
    const { timers, random } = this.#parts.settings;
    const most = Math.min(leastPauseMs * 2 ** attempt, longestPauseMs);
    let cancel = (): void => {};
    const passed = new Promise<void>((resolve) => {
      cancel = timers.schedule(most * (0.5 + random.next() / 2), resolve, true);
    });
    await Promise.race([passed, this.#ended]);
    cancel();
  }

  #pass({ value, headers }: KafkaIncoming): void {
    const to = headers?.[addressHeader];
    if (value === null || (to !== undefined && String(to) !== this.#node)) return;
    // A copy: the client's buffer holds the frames of others.
    this.listener?.onFrame(new Uint8Array(value));
  }
}
