import { connect, type Socket } from "node:net";
import { afterEach, expect, it } from "@jest/globals";
import { describeWith } from "@warp/tests-services";
import type { Admin, Kafka } from "kafkajs";
import { KafkaBus, type KafkaClient } from "../src/index.ts";
import { busOn, kafkaAt, uniqueTopic } from "./open-bus.ts";
import { bytes, Recorder, until } from "./recorder.ts";

const itIsOnATopic = (url: string): void => {
  const opened: KafkaBus[] = [];
  const open = (kafka: Kafka, ...[topic, options]: [string, Parameters<typeof busOn>[2]?]): KafkaBus => {
    const bus = busOn(kafka, topic, options);
    opened.push(bus);
    return bus;
  };
  const asAdmin = async <T>(work: (admin: Admin) => Promise<T>): Promise<T> => {
    const admin = kafkaAt(url).admin();
    await admin.connect();
    try {
      return await work(admin);
    } finally {
      await admin.disconnect();
    }
  };
  const endsOf = (topic: string): Promise<readonly { partition: number; high: string }[]> =>
    asAdmin((admin) => admin.fetchTopicOffsets(topic));
  afterEach(() => Promise.all(opened.splice(0).map((bus) => bus.close())));

  it("takes kafkajs as it is", () => {
    expect(kafkaAt(url) satisfies KafkaClient).toBeDefined();
  });

  it("a topic that is missing is named, with the way to have it made", async () => {
    const bus = new KafkaBus(kafkaAt(url), { topic: "test.missing" });
    opened.push(bus);
    const error = expect.objectContaining({ code: "UNAVAILABLE", message: expect.stringContaining("createTopic") });
    await expect(bus.subscribe("a", new Recorder())).rejects.toEqual(error);
    await expect(bus.publish(bytes("x"))).rejects.toEqual(error);
  });

  it("a topic is made as asked, and taken as it is where there is one", async () => {
    const topic = uniqueTopic();
    const bus = open(kafkaAt(url), topic, { createTopic: { partitions: 3, replicationFactor: 1, retention: "7m" } });
    await bus.publish(bytes("x"));
    await open(kafkaAt(url), topic, { createTopic: { partitions: 9 } }).publish(bytes("y"));
    const described = await asAdmin((admin) =>
      admin.describeConfigs({ includeSynonyms: false, resources: [{ type: 2, name: topic }] }),
    );
    const entries = described.resources[0]?.configEntries ?? [];
    expect(entries.find(({ configName }) => configName === "retention.ms")?.configValue).toBe("420000");
    expect(await endsOf(topic)).toHaveLength(3);
  });

  it("frames that are refused for their size say so, and those beside them are taken", async () => {
    const bus = open(kafkaAt(url), uniqueTopic(), { maxMessageBytes: 4_000_000 });
    const outcome = bus.publish(new Uint8Array(2_000_000));
    await expect(outcome).rejects.toEqual(expect.objectContaining({ code: "UNSUPPORTED" }));
    await bus.publish(new Uint8Array(900_000));
  });

  it("frames that are too many for one request go in several, all of them", async () => {
    const [topic, recorder] = [uniqueTopic(), new Recorder()];
    const bus = open(kafkaAt(url), topic);
    await bus.subscribe("a", recorder);
    const texts = Array.from({ length: 12 }, (_, index) => String(index).padEnd(400_000, "."));
    await Promise.all(texts.map((text) => bus.publish(bytes(text))));
    await recorder.heard(texts.at(-1) ?? "");
    expect(recorder.texts).toEqual(texts);
  });

  it("the frames of one bus are all in one partition", async () => {
    const topic = uniqueTopic();
    const bus = open(kafkaAt(url), topic, { createTopic: { partitions: 5, replicationFactor: 1 } });
    for (let index = 0; index < 10; index += 1) await bus.publish(bytes(String(index)));
    const written = (await endsOf(topic)).map(({ high }) => Number(high));
    expect(written.sort((a, b) => a - b)).toEqual([0, 0, 0, 0, 10]);
  });

  it("frames of a partition that was added later arrive, from its first on", async () => {
    const [topic, recorder] = [uniqueTopic(), new Recorder()];
    const random = { next: () => 0.999, id: () => uniqueTopic() };
    await open(kafkaAt(url), topic, { partitionsMaxAge: "300ms" }).subscribe("a", recorder);
    await asAdmin((admin) => admin.createPartitions({ topicPartitions: [{ topic, count: 4 }] }));
    // For a moment the broker does not know of them everywhere.
    await until("the topic has four partitions", () =>
      endsOf(topic).then(
        (ends) => ends.length === 4,
        () => false,
      ),
    );
    const late = open(kafkaAt(url), topic, { random });
    await late.publish(bytes("first"));
    await late.publish(bytes("second"));
    await recorder.heard("second");
    expect(recorder).toEqual(expect.objectContaining({ texts: ["first", "second"], gaps: [] }));
    expect((await endsOf(topic)).find(({ partition }) => partition === 3)?.high).toBe("2");
  });

  it("a node that read so slowly that frames were deleted before it came to them is told of the gap", async () => {
    const [topic, recorder, sockets] = [uniqueTopic(), new Recorder(), new Set<Socket>()];
    const socketFactory = ({
      host,
      port,
      onConnect,
    }: {
      host: string;
      port: number;
      onConnect: () => void;
    }): Socket => {
      const socket = connect(port, host, onConnect);
      sockets.add(socket);
      return socket;
    };
    const [a, b] = [open(kafkaAt(url), topic), open(kafkaAt(url, { socketFactory }), topic)];
    await b.subscribe("b", recorder);
    await a.publish(bytes("before"));
    await recorder.heard("before");
    for (const socket of sockets) socket.pause();
    for (let index = 0; index < 20; index += 1) await a.publish(bytes(`deleted ${index}`));
    await asAdmin(async (admin) => {
      await admin.fetchTopicOffsets(topic);
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: "21" }] });
    });
    expect(recorder.gaps).toEqual([]);
    for (const socket of sockets) socket.resume();
    await until("b is told of the gap", async () => {
      await a.publish(bytes("after"));
      return recorder.gaps.length > 0;
    });
    await recorder.heard("after");
    expect(recorder.texts).not.toContain("deleted 19");
  });

  it("a topic that is deleted and made again is read again, and the gap is told", async () => {
    const [topic, recorder] = [uniqueTopic(), new Recorder()];
    const [a, b] = [open(kafkaAt(url), topic), open(kafkaAt(url), topic)];
    await b.subscribe("b", recorder);
    for (const text of ["one", "two"]) await a.publish(bytes(text));
    await recorder.heard("two");
    await asAdmin((admin) => admin.deleteTopics({ topics: [topic] }));
    await recorder.toldOfGap();
    await until("b hears frames of the new topic", async () => {
      await a.publish(bytes("after")).catch(() => {});
      return recorder.texts.includes("after");
    });
  });

  it("a node leaves no consumer group behind", async () => {
    const topic = uniqueTopic();
    const groups = async (): Promise<readonly string[]> => {
      const listed = await asAdmin((admin) => admin.listGroups());
      return listed.groups.map(({ groupId }) => groupId).filter((groupId) => groupId.startsWith(topic));
    };
    const bus = open(kafkaAt(url), topic);
    const end = await bus.subscribe("a", new Recorder());
    expect(await groups()).toHaveLength(1);
    await end();
    expect(await groups()).toEqual([]);
  });

  it("a closed bus takes and hears nothing more", async () => {
    const bus = open(kafkaAt(url), uniqueTopic());
    await bus.subscribe("a", new Recorder());
    await bus.close();
    await bus.close();
    const error = expect.objectContaining({ code: "CLOSED" });
    await expect(bus.publish(bytes("x"))).rejects.toEqual(error);
    await expect(bus.subscribe("a", new Recorder())).rejects.toEqual(error);
  });
};

for (const service of ["kafka", "kafka4"] as const) await describeWith(service, itIsOnATopic);
