import type { CallOptions, Cancel, NodeId } from "@warp/core";
import { busError, meaningOf } from "./failures.ts";
import type { KafkaClient, KafkaOutgoing, KafkaPartitionChoice, KafkaProducer } from "./kafka-client.ts";
import { type KafkaBusSettings, surroundingsBytes } from "./options.ts";
import { briefRetry, type Topic } from "./topic.ts";
import { within } from "./within.ts";

/** The header that names the only node a frame is for. */
export const addressHeader = "to";

/** A producer that has not answered for so long is left, with what it was given, for a new one. */
const abandonAfterMs = 5_000;

/** How long a broker waits for its replicas where the caller has no deadline of its own. */
const acknowledgeMs = 2_000;

/** Compression costs more than it saves below. */
const compressFromBytes = 1_024;

interface Waiting {
  readonly message: KafkaOutgoing;
  /** At most what it takes in a record batch. */
  readonly bytes: number;
  readonly timeoutMs: number | undefined;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Sends what one bus publishes, one request at a time: what is handed over meanwhile waits, and goes together in the next
 * one. So frames keep their order, and the broker's limit for a record batch, which is what kafkajs makes of a request
 * for one partition, holds for the sum.
 */
export class Publisher {
  readonly #kafka: KafkaClient;
  readonly #settings: KafkaBusSettings;
  readonly #topic: Topic;
  readonly #id: string;
  #waiting: Waiting[] = [];
  #isSending = false;
  #isClosed = false;
  #producer: KafkaProducer | undefined;
  /** Kept for good: order holds within a partition only. */
  #partition: number | undefined;

  constructor(kafka: KafkaClient, settings: KafkaBusSettings, topic: Topic) {
    this.#kafka = kafka;
    this.#settings = settings;
    this.#topic = topic;
    this.#id = settings.random.id();
  }

  /** Resolves once Kafka has it. A frame whose call was given up before its request was made is never sent. */
  async publish(frame: Uint8Array, to: NodeId | undefined, options: CallOptions = {}): Promise<void> {
    if (this.#isClosed) throw busError("CLOSED", "this KafkaBus is closed");
    const headers: Record<string, string> = to === undefined ? {} : { [addressHeader]: to };
    // A copy: kafkajs may hold it for longer than the caller waits.
    const message: KafkaOutgoing = { key: this.#id, value: Buffer.from(frame), headers };
    const bytes = frame.length + 128 + (to === undefined ? 0 : Buffer.byteLength(to));
    if (bytes > this.#settings.maxMessageBytes - surroundingsBytes / 2)
      throw busError("INVALID_ARGUMENT", `the name of a node has ${Buffer.byteLength(to ?? "")} bytes: too many`);
    let entry: Waiting | undefined;
    const taken = new Promise<void>((resolve, reject) => {
      entry = { message, bytes, timeoutMs: options.timeoutMs, resolve, reject };
      this.#waiting.push(entry);
    });
    if (!this.#isSending) this.#start();
    try {
      await within(taken, "publish", options, this.#settings.timers);
    } catch (error) {
      this.#waiting = this.#waiting.filter((other) => other !== entry);
      throw error;
    }
  }

  /** Sends no more; what still waits rejects. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { reject } of this.#waiting.splice(0)) reject(busError("CLOSED", "this KafkaBus was closed"));
    await this.#retire();
  }

  #start(): void {
    this.#isSending = true;
    // What is published in the same turn of the event loop goes together.
    setImmediate(() => void this.#sendAll());
  }

  /** Never rejects. */
  async #sendAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#take();
      try {
        await this.#send(batch);
        for (const { resolve } of batch) resolve();
      } catch (error) {
        const meaning = meaningOf(error, this.#settings.topic);
        for (const { reject } of batch) reject(meaning);
      }
    }
    this.#isSending = false;
  }

  #take(): readonly Waiting[] {
    let room = this.#settings.maxMessageBytes - surroundingsBytes / 2;
    let count = 0;
    for (const { bytes } of this.#waiting) {
      if (bytes > room) break;
      room -= bytes;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  async #send(batch: readonly Waiting[]): Promise<void> {
    let cancel: Cancel | undefined;
    const overdue = new Promise<never>((_resolve, reject) => {
      const silent = (): void => {
        // Not waited for: it is the connection that does not answer.
        void this.#retire();
        reject(busError("UNAVAILABLE", `Kafka did not answer in ${abandonAfterMs} ms`));
      };
      cancel = this.#settings.timers.schedule(abandonAfterMs, silent);
    });
    try {
      await Promise.race([this.#deliver(batch), overdue]);
    } finally {
      cancel?.();
    }
  }

  async #deliver(batch: readonly Waiting[]): Promise<void> {
    await this.#topic.made();
    const producer = await this.#connected();
    const { topic, acks, compression } = this.#settings;
    const bytes = batch.reduce((sum, waiting) => sum + waiting.bytes, 0);
    await producer.send({
      topic,
      messages: batch.map(({ message }) => message),
      acks,
      timeout: Math.ceil(Math.max(...batch.map(({ timeoutMs = acknowledgeMs }) => timeoutMs), 1)),
      compression: bytes < compressFromBytes ? 0 : compression,
    });
  }

  async #connected(): Promise<KafkaProducer> {
    if (this.#producer !== undefined) return this.#producer;
    const producer = this.#kafka.producer({
      createPartitioner: () => (choice) => this.#choose(choice),
      allowAutoTopicCreation: false,
      retry: briefRetry,
    });
    this.#producer = producer;
    try {
      await producer.connect();
    } catch (error) {
      if (this.#producer === producer) this.#producer = undefined;
      throw error;
    }
    // It was left while it connected: then nobody else ends it.
    if (this.#producer !== producer) {
      await producer.disconnect();
      throw busError(this.#isClosed ? "CLOSED" : "UNAVAILABLE", "the connection to Kafka came too late");
    }
    return producer;
  }

  #choose({ partitionMetadata }: KafkaPartitionChoice): number {
    const partitions = partitionMetadata.map(({ partitionId }) => partitionId).sort((a, b) => a - b);
    if (this.#partition === undefined || !partitions.includes(this.#partition))
      this.#partition = partitions[Math.floor(this.#settings.random.next() * partitions.length)] ?? 0;
    return this.#partition;
  }

  async #retire(): Promise<void> {
    const producer = this.#producer;
    this.#producer = undefined;
    // It fails where the connection has: then there is nothing to end.
    await producer?.disconnect().catch(() => {});
  }
}
