import { KafkaBus } from "@warp/bus-kafka";
import { Kafka, type LogEntry, logLevel } from "kafkajs";
import { type Buses, Opened, type Surroundings } from "./ports.ts";

export const kafkaBuses = (brokers: readonly string[], { cluster, logger }: Surroundings): Buses => {
  const opened = new Opened();
  const log = ({ namespace, log: { message, ...fields } }: LogEntry): void =>
    logger.warn({ ...fields, namespace }, `kafkajs: ${message}`);
  const make = async (): Promise<KafkaBus> => {
    const kafka = new Kafka({
      brokers: [...brokers],
      clientId: cluster,
      logLevel: logLevel.WARN,
      logCreator: () => log,
    });
    // A bus forms its subscription in the background, for as long as that takes: a wrong address shows here.
    const admin = kafka.admin({ retry: { retries: 3 } });
    await admin.connect();
    await admin.disconnect();
    const bus = new KafkaBus(kafka, { topic: cluster, createTopic: {} });
    opened.add(() => bus.close());
    return bus;
  };
  return { make, close: () => opened.close() };
};
