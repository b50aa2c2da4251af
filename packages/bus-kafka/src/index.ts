export { KafkaBus } from "./kafka-bus.ts";
export type {
  KafkaAdmin,
  KafkaBatchPayload,
  KafkaClient,
  KafkaConsumer,
  KafkaConsumerConfig,
  KafkaCrash,
  KafkaGroupJoin,
  KafkaIncoming,
  KafkaOffsets,
  KafkaOutgoing,
  KafkaPartitionChoice,
  KafkaProducer,
  KafkaProducerConfig,
  KafkaRecord,
  KafkaRetry,
  KafkaTopic,
} from "./kafka-client.ts";
export type { KafkaBusOptions, KafkaCompression, KafkaTopicOptions } from "./options.ts";
