import { expect, it } from "@jest/globals";
import { type BusSubject, busCases } from "@warp/conformance";
import { KafkaBus, type KafkaBusOptions } from "../src/index.ts";
import { busOn, kafkaAt, quick, uniqueTopic } from "./open-bus.ts";

/** librdkafka's mock cluster makes no topic when asked to, but one that somebody sends to who lets it. */
const makeBySending = async (url: string, topic: string): Promise<void> => {
  const producer = kafkaAt(url).producer({ allowAutoTopicCreation: true });
  await producer.connect();
  await producer.send({ topic, messages: [{ value: "" }] });
  await producer.disconnect();
};

const open = async (url: string, options: KafkaBusOptions): Promise<BusSubject> => {
  const topic = uniqueTopic();
  const isMock = url.startsWith("kafka+mock:");
  if (isMock) await makeBySending(url, topic);
  const openBus = (): KafkaBus =>
    isMock ? new KafkaBus(kafkaAt(url), { topic, ...quick, ...options }) : busOn(kafkaAt(url), topic, options);
  const [port, other] = [openBus(), openBus()];
  return {
    port,
    other,
    patienceMs: 20_000,
    close: async () => {
      await Promise.all([port.close(), other.close()]);
    },
  };
};

/** The contract of `Bus`, on the broker at `url`. Broken connections are in the tests of faults, with a server of their own. */
export const itIsABus = (url: string, options: KafkaBusOptions = {}): void => {
  for (const { name, needs, run } of busCases(() => open(url, options)))
    it(name, async () => expect(await run()).toBe(needs === "interrupt" ? "exempt" : "checked"));
};
