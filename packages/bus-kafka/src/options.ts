import { type Clock, type Duration, durationMs, type Random, systemClock, systemRandom, WarpError } from "@warp/core";

/** How the topic is made where there is none. */
export interface KafkaTopicOptions {
  /** Default 1: frames are few and small, and one partition keeps the order of all of them. */
  readonly partitions?: number;
  /** Default: the broker's `default.replication.factor`. */
  readonly replicationFactor?: number;
  /** How long frames are kept: what an outage may last. Default `"1h"`. */
  readonly retention?: Duration;
}

/** How a `KafkaBus` is set up. */
export interface KafkaBusOptions {
  /** The topic that all nodes of a cluster share. Default `"warp"`. 1 to 200 of a-z, A-Z, 0-9, `.`, `_` and `-`. */
  readonly topic?: string;
  /** Makes the topic where there is none. Default: it must be there. */
  readonly createTopic?: KafkaTopicOptions;
  /** What the names of consumer groups begin with; each node has one of its own. Default: the topic's name. */
  readonly groupPrefix?: string;
  /** Who must have a frame before `publish` resolves: all replicas in sync (-1) or the partition's leader (1). Default -1. */
  readonly acks?: -1 | 1;
  /** Of requests of 1 KiB and more. Default `"none"`. Others than gzip need a codec that is registered with kafkajs. */
  readonly compression?: KafkaCompression;
  /** The topic's `max.message.bytes`, or what is less. Default 1 000 000 bytes; Kafka's own default is 1 048 588. */
  readonly maxMessageBytes?: number;
  /**
   * How long the broker holds a request for frames while there are none. Default `"500ms"`. The end of a subscription
   * waits for it; an idle node sends one request in that time.
   */
  readonly fetchWait?: Duration;
  /** How old a node's idea of the topic's partitions gets: so late are the first frames of a new one. Default `"5s"`. */
  readonly partitionsMaxAge?: Duration;
  /** What waits are measured with. Default: the machine's timers. */
  readonly timers?: Pick<Clock, "schedule">;
  /** Where ids and jitter come from. Default: the machine. */
  readonly random?: Random;
}

/** How what a producer sends is compressed. */
export type KafkaCompression = "none" | "gzip" | "snappy" | "lz4" | "zstd";

/** Validated, with every default. */
export interface KafkaBusSettings {
  readonly topic: string;
  readonly createTopic: KafkaTopicSettings | undefined;
  readonly groupPrefix: string;
  readonly acks: -1 | 1;
  /** The attribute of a record batch (Kafka protocol guide, "Record Batch"). */
  readonly compression: number;
  readonly maxMessageBytes: number;
  readonly fetchWaitMs: number;
  readonly partitionsMaxAgeMs: number;
  readonly timers: Pick<Clock, "schedule">;
  readonly random: Random;
}

export interface KafkaTopicSettings {
  readonly partitions: number;
  /** -1 for the broker's default. */
  readonly replicationFactor: number;
  readonly retentionMs: number;
}

const compressions: readonly KafkaCompression[] = ["none", "gzip", "snappy", "lz4", "zstd"];

/** What a frame of the largest size may be surrounded by: record batch, record, key, and the name of a node. */
export const surroundingsBytes = 1_024;

const wrong = (field: string, expected: string, got: unknown): WarpError =>
  new WarpError("INVALID_ARGUMENT", `${field} must be ${expected}; got ${String(got)}`, { port: "bus" });

const wholeNumber = (field: string, value: number, least: number): number => {
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw wrong(field, `a whole number, at least ${least}`, value);
};

const nameOf = (field: string, value: string): string => {
  // Kafka allows 249 characters; a group's name has a random id behind it.
  if (/^[\w.-]{1,200}$/.test(value) && value !== "." && value !== "..") return value;
  throw wrong(field, "1 to 200 of a-z, A-Z, 0-9, '.', '_' and '-'", value);
};

const topicSettingsOf = ({ partitions = 1, replicationFactor, retention = "1h" }: KafkaTopicOptions) => ({
  partitions: wholeNumber("createTopic.partitions", partitions, 1),
  replicationFactor:
    replicationFactor === undefined ? -1 : wholeNumber("createTopic.replicationFactor", replicationFactor, 1),
  retentionMs: durationMs("createTopic.retention", retention, { leastMs: 1 }),
});

/** @throws {WarpError} `INVALID_ARGUMENT` naming the option. */
export const settingsOf = (options: KafkaBusOptions): KafkaBusSettings => {
  const { topic = "warp", acks = -1, compression = "none", createTopic } = options;
  if (acks !== -1 && acks !== 1) throw wrong("acks", "-1 or 1", acks);
  if (!compressions.includes(compression)) throw wrong("compression", compressions.join(", "), compression);
  return Object.freeze({
    topic: nameOf("topic", topic),
    createTopic: createTopic === undefined ? undefined : topicSettingsOf(createTopic),
    groupPrefix: nameOf("groupPrefix", options.groupPrefix ?? topic),
    acks,
    compression: compressions.indexOf(compression),
    maxMessageBytes: wholeNumber("maxMessageBytes", options.maxMessageBytes ?? 1_000_000, 2 * surroundingsBytes),
    fetchWaitMs: durationMs("fetchWait", options.fetchWait ?? "500ms", { leastMs: 1 }),
    partitionsMaxAgeMs: durationMs("partitionsMaxAge", options.partitionsMaxAge ?? "5s", { leastMs: 1 }),
    timers: options.timers ?? systemClock,
    random: options.random ?? systemRandom,
  });
};
