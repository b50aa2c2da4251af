/** The part of kafkajs' `Kafka` that this package calls. */
export interface KafkaClient {
  producer(config: KafkaProducerConfig): KafkaProducer;
  consumer(config: KafkaConsumerConfig): KafkaConsumer;
  admin(config: { readonly retry: KafkaRetry }): KafkaAdmin;
}

/** How kafkajs tries again. */
export interface KafkaRetry {
  readonly retries: number;
  readonly initialRetryTime: number;
  readonly maxRetryTime: number;
}

export interface KafkaProducerConfig {
  /** Picks the partition of a message among those that the topic has. */
  readonly createPartitioner: () => (choice: KafkaPartitionChoice) => number;
  readonly allowAutoTopicCreation: boolean;
  readonly retry: KafkaRetry;
}

export interface KafkaPartitionChoice {
  readonly partitionMetadata: readonly { readonly partitionId: number }[];
}

export interface KafkaProducer {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  send(record: KafkaRecord): Promise<unknown>;
}

/** What a producer sends in one request. */
export interface KafkaRecord {
  topic: string;
  messages: KafkaOutgoing[];
  acks: number;
  /** How long the broker waits for its replicas, in milliseconds. */
  timeout: number;
  compression: number;
}

export interface KafkaOutgoing {
  key: string;
  value: Buffer;
  headers: Record<string, string>;
}

export interface KafkaConsumerConfig {
  readonly groupId: string;
  readonly allowAutoTopicCreation: boolean;
  readonly metadataMaxAge: number;
  readonly maxWaitTimeInMs: number;
  readonly readUncommitted: boolean;
  readonly rebalanceTimeout: number;
  readonly retry: KafkaRetry & { readonly restartOnFailure: () => Promise<boolean> };
}

export interface KafkaConsumer {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  subscribe(subscription: { topic: string; fromBeginning: boolean }): Promise<void>;
  run(config: { autoCommit: boolean; eachBatch: (payload: KafkaBatchPayload) => Promise<void> }): Promise<void>;
  seek(position: { topic: string; partition: number; offset: string }): void;
  on(event: "consumer.group_join", listener: (event: KafkaGroupJoin) => void): unknown;
  on(event: "consumer.crash", listener: (event: KafkaCrash) => void): unknown;
}

export interface KafkaGroupJoin {
  /** The partitions of each topic that this consumer reads from now on. */
  readonly payload: { readonly memberAssignment: Readonly<Record<string, readonly number[]>> };
}

export interface KafkaCrash {
  readonly payload: { readonly error: Error };
}

export interface KafkaBatchPayload {
  readonly batch: {
    readonly partition: number;
    readonly messages: readonly KafkaIncoming[];
    firstOffset(): string | null;
    lastOffset(): string;
  };
  /** Whether the consumer was told to read the partition from elsewhere. */
  isStale(): boolean;
}

export interface KafkaIncoming {
  readonly value: Buffer | null;
  readonly headers?: Readonly<Record<string, unknown>> | undefined;
}

export interface KafkaAdmin {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  createTopics(request: { topics: KafkaTopic[] }): Promise<boolean>;
  fetchTopicOffsets(topic: string): Promise<KafkaOffsets[]>;
  deleteGroups(groupIds: string[]): Promise<unknown>;
}

export interface KafkaTopic {
  topic: string;
  numPartitions: number;
  replicationFactor: number;
  configEntries: { name: string; value: string }[];
}

/** What a partition holds: from `low` to before `high`. */
export interface KafkaOffsets {
  readonly partition: number;
  readonly low: string;
  readonly high: string;
}
