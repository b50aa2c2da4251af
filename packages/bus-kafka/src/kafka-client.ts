/** The part of kafkajs' `Kafka` that this package calls. */
export interface KafkaClient {
  /** Makes a producer that is not connected yet. */
  producer(config: KafkaProducerConfig): KafkaProducer;
  /** Makes a consumer that is not connected yet. */
  consumer(config: KafkaConsumerConfig): KafkaConsumer;
  /** Makes an administrator that is not connected yet. */
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
  /** Resolves once a broker answers. */
  connect(): Promise<void>;
  /** Sends what is under way, then leaves. */
  disconnect(): Promise<void>;
  /** Resolves once the broker has taken all messages, as `acks` asks. */
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
  readonly retry: KafkaRetry & {
    /** Whether kafkajs begins anew after it gave up. */
    readonly restartOnFailure: () => Promise<boolean>;
  };
}

export interface KafkaConsumer {
  /** Resolves once a broker answers. */
  connect(): Promise<void>;
  /** Leaves its group, once the batch under way is done. */
  disconnect(): Promise<void>;
  /** Names the topic to read; before `run`. */
  subscribe(subscription: { topic: string; fromBeginning: boolean }): Promise<void>;
  /** Begins to read, behind the call. */
  run(config: { autoCommit: boolean; eachBatch: (payload: KafkaBatchPayload) => Promise<void> }): Promise<void>;
  /** Reads a partition from there on; once it runs. */
  seek(position: { topic: string; partition: number; offset: string }): void;
  /** Told when the group has formed, and what this member reads. */
  on(event: "consumer.group_join", listener: (event: KafkaGroupJoin) => void): unknown;
  /** Told why it stopped reading. */
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
    /** `null` for a batch without messages. */
    firstOffset(): string | null;
    /** Of the batch as the broker sent it. */
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
  /** Resolves once a broker answers. */
  connect(): Promise<void>;
  /** Leaves. */
  disconnect(): Promise<void>;
  /** `false` if they are there already. */
  createTopics(request: { topics: KafkaTopic[] }): Promise<boolean>;
  /** What each partition holds. */
  fetchTopicOffsets(topic: string): Promise<KafkaOffsets[]>;
  /** Removes groups without members. */
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
