import { readFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it, jest } from "@jest/globals";
import { Kafka, logLevel } from "kafkajs";
import { describeWithOwn } from "../src/describe-with.ts";
import { startKafkaMock } from "../src/kafka-mock.ts";
import { accepts } from "../src/server.ts";
import { services, startService } from "../src/services.ts";

const addressOf = (url: string): string => url.replace("kafka+mock://", "");
const isUp = (url: string): Promise<boolean> => accepts(Number(addressOf(url).split(":")[1]));

describe("Kafka's stand-in", () => {
  const environment = process.env;
  const warn = jest.spyOn(console, "warn");
  beforeEach(() => {
    process.env = { ...environment, WARP_TEST_KAFKA: "mock", WARP_TEST_KAFKA_URL: "" };
    warn.mockReset().mockReturnValue();
  });
  afterEach(() => {
    process.env = environment;
  });

  it("serves where no real broker can be had and it is enough, and that is said", async () => {
    const { url, stop } = await startService("kafka", { standIn: true });
    expect(warn.mock.calls).toEqual([
      [expect.stringMatching(/Kafka 3[.]9[.]1: librdkafka's mock cluster stands in\..*WARP_TEST_KAFKA=mock.*unproven/)],
    ]);
    expect(url).toMatch(/^kafka\+mock:/);
    await stop();
    expect(await isUp(url)).toBe(false);
  });

  it("carries messages from a producer to a group of kafkajs", async () => {
    const { url, stop } = await startKafkaMock();
    const kafka = new Kafka({ brokers: [addressOf(url)], logLevel: logLevel.NOTHING });
    const producer = kafka.producer({ allowAutoTopicCreation: true });
    const consumer = kafka.consumer({ groupId: "readers" });
    try {
      await producer.connect();
      await producer.send({ topic: "words", messages: [{ value: "first" }, { value: "second" }] });
      await consumer.connect();
      await consumer.subscribe({ topic: "words", fromBeginning: true });
      const texts: unknown[] = [];
      await new Promise<void>((resolve, reject) => {
        const eachMessage = async ({ message }: { message: { value: Buffer | null } }): Promise<void> => {
          if (texts.push(message.value?.toString()) === 2) resolve();
        };
        consumer.run({ eachMessage }).catch(reject);
      });
      expect(texts.sort()).toEqual(["first", "second"]);
    } finally {
      await consumer.disconnect();
      await producer.disconnect();
      await stop();
    }
  });

  it("leaves no process behind when it is stopped", async () => {
    const server = await startKafkaMock();
    const command = `/proc/${await server.pid()}/cmdline`;
    expect(await readFile(command, "utf8")).toContain("kafka-mock");
    await server.stop();
    await expect(readFile(command, "utf8")).rejects.toThrow("ENOENT");
  });

  it("does not serve a test that needs a real broker: that one fails, and says so", async () => {
    const real = expect.objectContaining({ message: expect.stringContaining("This needs a real Kafka 3") });
    await expect(startService("kafka")).rejects.toEqual(real);
    await expect(describeWithOwn(services.kafka, () => {})).rejects.toEqual(real);
    process.env.WARP_TEST_KAFKA_URL = "kafka+mock://127.0.0.1:1";
    await expect(startService("kafka")).rejects.toEqual(real);
    await expect(startService("kafka4", { standIn: true })).rejects.toThrow("forbids to start a real Kafka");
    expect(warn).not.toHaveBeenCalled();
  });
});
