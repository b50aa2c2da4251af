import { busError } from "./failures.ts";
import type { KafkaBatchPayload, KafkaClient, KafkaConsumer, KafkaIncoming } from "./kafka-client.ts";
import type { KafkaBusSettings } from "./options.ts";
import type { Positions } from "./positions.ts";
import { briefRetry } from "./topic.ts";

/** A group of one member has nobody to wait for. */
const rebalanceMs = 10_000;

/** Whom a reader tells. No function throws. */
export interface ReaderListener {
  onMessage(message: KafkaIncoming): void;
  /** The log did not go on where it stopped. */
  onHole(): void;
}

/**
 * One consumer of kafkajs for as long as it works, alone in a group of its own: it gets every partition. A consumer that
 * crashed is not used again, nor its group, in which the dead member would still be waited for.
 */
export class Reader {
  readonly groupId: string;
  /** Resolves with the reason once it reads no more. Never rejects. */
  readonly crashed: Promise<unknown>;
  readonly #consumer: KafkaConsumer;
  readonly #topic: string;
  readonly #positions: Positions;
  readonly #listener: ReaderListener;
  #isOver = false;
  #hasJoined = false;

  constructor(kafka: KafkaClient, settings: KafkaBusSettings, positions: Positions, listener: ReaderListener) {
    const { topic, groupPrefix, random, partitionsMaxAgeMs, fetchWaitMs } = settings;
    this.#topic = topic;
    this.#positions = positions;
    this.#listener = listener;
    this.groupId = `${groupPrefix}-${random.id()}`;
    this.#consumer = kafka.consumer({
      groupId: this.groupId,
      allowAutoTopicCreation: false,
      metadataMaxAge: partitionsMaxAgeMs,
      maxWaitTimeInMs: Math.ceil(fetchWaitMs),
      // Frames are in no transaction, and must not wait for anybody's.
      readUncommitted: true,
      rebalanceTimeout: rebalanceMs,
      retry: { ...briefRetry, restartOnFailure: () => Promise.resolve(false) },
    });
    // kafkajs calls listeners at once, so that this comes before the first fetch of every generation of the group, which
    // would begin at the end: positions are not committed, and do not outlive a generation.
    this.#consumer.on("consumer.group_join", ({ payload }) => this.#seek(payload.memberAssignment[topic] ?? []));
    this.crashed = new Promise((resolve) => {
      this.#consumer.on("consumer.crash", ({ payload }) => {
        this.#isOver = true;
        resolve(payload.error);
      });
    });
  }

  /** Resolves once it reads from the positions on. */
  async open(): Promise<void> {
    await this.#start();
    if (this.#isOver) throw busError("UNAVAILABLE", "the Kafka consumer did not start", await this.crashed);
  }

  /**
   * Nobody is told anything afterwards. Not to be called before `open` has settled: kafkajs lets a consumer that is stopped
   * while it joins go on once it has joined.
   * @returns Whether its group is now without members.
   */
  async close(): Promise<boolean> {
    const left = !this.#isOver && this.#hasJoined;
    this.#isOver = true;
    return await this.#consumer.disconnect().then(
      () => left,
      () => false,
    );
  }

  async #start(): Promise<void> {
    await this.#consumer.connect();
    await this.#consumer.subscribe({ topic: this.#topic, fromBeginning: false });
    // Resolves once the consumer has joined, and also if it crashed before.
    await this.#consumer.run({ autoCommit: false, eachBatch: async (payload) => this.#take(payload) });
  }

  #seek(partitions: readonly number[]): void {
    this.#hasJoined = true;
    for (const partition of partitions) {
      const offset = String(this.#positions.of(partition));
      this.#consumer.seek({ topic: this.#topic, partition, offset });
    }
  }

  #take({ batch, isStale }: KafkaBatchPayload): void {
    // What is stale will be read again, from the position on.
    if (this.#isOver || isStale()) return;
    const first = batch.firstOffset();
    if (first !== null && BigInt(first) !== this.#positions.of(batch.partition)) this.#listener.onHole();
    this.#positions.set(batch.partition, BigInt(batch.lastOffset()) + 1n);
    for (const message of batch.messages) this.#listener.onMessage(message);
  }
}
