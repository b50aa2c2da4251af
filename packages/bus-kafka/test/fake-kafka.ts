import type {
  KafkaAdmin,
  KafkaBatchPayload,
  KafkaClient,
  KafkaConsumer,
  KafkaCrash,
  KafkaGroupJoin,
  KafkaOffsets,
  KafkaProducer,
  KafkaRecord,
} from "../src/index.ts";

/** A promise, and what settles it. */
export class Gate {
  open: () => void = () => {};
  fail: (error: unknown) => void = () => {};
  readonly passed: Promise<void> = new Promise((resolve, reject) => {
    this.open = resolve;
    this.fail = reject;
  });
}

/** One consumer of a `FakeKafka`, driven by the test. */
export class FakeConsumer implements KafkaConsumer {
  readonly sought: Record<number, string> = {};
  readonly #kafka: FakeKafka;
  #onJoin: (event: KafkaGroupJoin) => void = () => {};
  #onCrash: (event: KafkaCrash) => void = () => {};
  #eachBatch: (payload: KafkaBatchPayload) => Promise<void> = async () => {};
  isConnected = false;

  constructor(kafka: FakeKafka) {
    this.#kafka = kafka;
  }

  on(event: string, listener: (event: never) => void): void {
    if (event === "consumer.group_join") this.#onJoin = listener as (event: KafkaGroupJoin) => void;
    else this.#onCrash = listener as (event: KafkaCrash) => void;
  }

  async connect(): Promise<void> {
    this.isConnected = true;
  }

  async disconnect(): Promise<void> {
    this.isConnected = false;
  }

  async subscribe(): Promise<void> {}

  /** As kafkajs': resolves also where it crashed. */
  async run({ eachBatch }: { eachBatch: (payload: KafkaBatchPayload) => Promise<void> }): Promise<void> {
    this.#eachBatch = eachBatch;
    const refusal = this.#kafka.refusals.shift();
    if (refusal !== undefined) return this.#onCrash({ payload: { error: refusal } });
    await this.#kafka.joining?.passed;
    this.join([0]);
  }

  seek({ partition, offset }: { partition: number; offset: string }): void {
    this.sought[partition] = offset;
  }

  join(partitions: readonly number[]): void {
    this.#onJoin({ payload: { memberAssignment: { warp: partitions } } });
  }

  crash(): void {
    this.#onCrash({ payload: { error: new Error("crashed") } });
  }

  /** Hands on frames with consecutive offsets from `first` on. */
  async deliver(
    first: number,
    texts: readonly string[],
    { stale = false, partition = 0, headers = {} } = {},
  ): Promise<void> {
    const messages = texts.map((text) => ({ value: Buffer.from(text), headers }));
    const lastOffset = (): string => String(first + texts.length - 1);
    const batch = { partition, messages, firstOffset: () => String(first), lastOffset };
    await this.#eachBatch({ batch, isStale: () => stale });
  }
}

/** Answers at once, but where a gate is shut. */
export class FakeKafka implements KafkaClient {
  readonly consumers: FakeConsumer[] = [];
  readonly producers: { isConnected: boolean }[] = [];
  readonly sent: KafkaRecord[] = [];
  readonly deletedGroups: string[] = [];
  offsets: KafkaOffsets[] = [{ partition: 0, low: "0", high: "7" }];
  /** What the next consumers are answered that want to join. */
  readonly refusals: Error[] = [];
  joining: Gate | undefined;
  sending: Gate | undefined;
  connecting: Gate | undefined;

  admin(): KafkaAdmin {
    return {
      connect: async () => {},
      disconnect: async () => {},
      createTopics: async () => true,
      fetchTopicOffsets: async () => this.offsets,
      deleteGroups: async (groups) => this.deletedGroups.push(...groups),
    };
  }

  consumer(): KafkaConsumer {
    const consumer = new FakeConsumer(this);
    this.consumers.push(consumer);
    return consumer;
  }

  producer(): KafkaProducer {
    const state = { isConnected: false };
    this.producers.push(state);
    return {
      connect: async () => {
        await this.connecting?.passed;
        state.isConnected = true;
      },
      disconnect: async () => {
        state.isConnected = false;
      },
      send: async (record) => {
        this.sent.push(record);
        await this.sending?.passed;
      },
    };
  }
}
