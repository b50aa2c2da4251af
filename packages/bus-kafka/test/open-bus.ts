import { systemRandom } from "@warp/core";
import { Kafka, type KafkaConfig, logLevel } from "kafkajs";
import { KafkaBus, type KafkaBusOptions } from "../src/index.ts";

/** As the README has it: kafkajs waits longer by itself, and otherwise than here while tests run. */
export const kafkaAt = (url: string, config: Partial<KafkaConfig> = {}): Kafka =>
  new Kafka({
    brokers: url.replace(/^kafka(\+mock)?:\/\//, "").split(","),
    logLevel: logLevel.NOTHING,
    retry: { retries: 4, initialRetryTime: 100, maxRetryTime: 1_000, multiplier: 2, factor: 0.2 },
    ...config,
  });

/** A name that no other test has. */
export const uniqueTopic = (): string => `test.${systemRandom.id()}`;

/** Quick to end. */
export const quick: KafkaBusOptions = { fetchWait: "40ms" };

/** The bus of a node on a topic that is made where need be. */
export const busOn = (kafka: Kafka, topic: string, options: KafkaBusOptions = {}): KafkaBus =>
  new KafkaBus(kafka, { topic, createTopic: { replicationFactor: 1 }, ...quick, ...options });
