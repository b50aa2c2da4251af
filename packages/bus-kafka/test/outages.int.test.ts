import { afterAll, afterEach, expect, it } from "@jest/globals";
import { MemoryStore, Warp, WarpError } from "@warp/core";
import { describeWithOwn } from "@warp/tests-services";
import { type Server, services } from "@warp/tests-services/servers";
import type { KafkaBus } from "../src/index.ts";
import { busOn, kafkaAt, uniqueTopic } from "./open-bus.ts";
import { bytes, HeldTimers, Recorder, until } from "./recorder.ts";

const logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

const itOutlives = (server: Server): void => {
  const opened: KafkaBus[] = [];
  const rejections: unknown[] = [];
  const onRejection = (reason: unknown): void => void rejections.push(reason);
  process.on("unhandledRejection", onRejection);
  const open = (...[topic, options]: [string, Parameters<typeof busOn>[2]?]): KafkaBus => {
    const bus = busOn(kafkaAt(server.url), topic, options);
    opened.push(bus);
    return bus;
  };
  const untilTaken = (bus: KafkaBus, text: string): Promise<void> =>
    until(`Kafka takes "${text}"`, () =>
      bus.publish(bytes(text), undefined, { timeoutMs: 2_000 }).then(
        () => true,
        () => false,
      ),
    );

  afterEach(async () => {
    await Promise.all(opened.splice(0).map((bus) => bus.close()));
    expect(rejections).toEqual([]);
  });
  afterAll(() => void process.off("unhandledRejection", onRejection));

  /** `b` has crashed with the broker, and the broker is back, with a frame that `b` has not read. */
  const outage = async (partitions: number) => {
    const [topic, timers, recorder] = [uniqueTopic(), new HeldTimers(), new Recorder()];
    const a = open(topic, { createTopic: { partitions, replicationFactor: 1 } });
    const b = open(topic, { timers });
    const end = await b.subscribe("b", recorder);
    await a.publish(bytes("before"));
    await recorder.heard("before");
    timers.hold();
    await server.kill();
    await until("b waits before it starts again", () => timers.held.size > 0);
    await server.restart();
    await untilTaken(a, "meanwhile");
    return { topic, timers, recorder, a, end };
  };

  it("a node whose broker was killed goes on where it stood, and is told of the gap", async () => {
    const { timers, recorder, a, end } = await outage(3);
    expect(recorder.texts).toEqual(["before"]);
    timers.letGo();
    await recorder.heard("meanwhile");
    await recorder.toldOfGap();
    await untilTaken(a, "after");
    await recorder.heard("after");
    await end();
  });

  it("a node goes on at the end, and is told of the gap, where the log no longer has what comes next", async () => {
    const { topic, timers, recorder, a } = await outage(1);
    const admin = kafkaAt(server.url).admin();
    await admin.connect();
    // kafkajs looks for the partitions' leaders only in what it has learned before.
    await admin.fetchTopicOffsets(topic);
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: "-1" }] });
    await admin.disconnect();
    timers.letGo();
    await recorder.toldOfGap();
    await untilTaken(a, "after");
    await recorder.heard("after");
    expect(recorder.texts).toEqual(["before", "after"]);
  });

  it("a broker that does not answer costs a publisher its deadline, and no frame once it answers again", async () => {
    const [topic, recorder] = [uniqueTopic(), new Recorder()];
    const [a, b] = [open(topic), open(topic)];
    await b.subscribe("b", recorder);
    await a.publish(bytes("before"));
    await server.freeze();
    const startedAt = performance.now();
    const outcomes = await Promise.allSettled(
      ["first", "second"].map((text) => a.publish(bytes(text), undefined, { timeoutMs: 300 })),
    );
    const waitedMs = performance.now() - startedAt;
    await server.thaw();
    for (const outcome of outcomes)
      expect(outcome).toEqual({ status: "rejected", reason: expect.objectContaining({ code: "DEADLINE_EXCEEDED" }) });
    expect(waitedMs).toBeLessThan(2_000);
    await untilTaken(a, "after");
    await recorder.heard("after");
  });

  it("nothing stale stays at a node when a key was written while the broker was dead", async () => {
    const [topic, store] = [uniqueTopic(), new MemoryStore()];
    const [a, b] = [open(topic), open(topic)];
    const nodes = [a, b].map((bus) => new Warp({ store, bus, logger })) as [Warp, Warp];
    const [writer, reader] = nodes;
    try {
      for (const node of nodes) node.register("city:*", { ttl: "1h" });
      const isServed = (key: string, value: unknown): Promise<void> =>
        until(`the reader serves ${key} as written`, async () => (await reader.get(key)) === value);
      for (const key of ["city:rome", "city:oslo"]) await writer.set(key, "old");
      await isServed("city:rome", "old");
      await isServed("city:oslo", "old");
      await until("the nodes hear each other", () => nodes.every((node) => node.status().members === 1));
      await writer.set("city:oslo", "told");
      await isServed("city:oslo", "told");

      await server.kill();
      await writer.set("city:rome", "new");
      await server.restart();
      await isServed("city:rome", "new");
      await writer.set("city:rome", "newest");
      await isServed("city:rome", "newest");

      await server.freeze();
      const startedAt = performance.now();
      await writer.set("city:oslo", "while frozen");
      await reader.get("city:oslo");
      const waitedMs = performance.now() - startedAt;
      await server.thaw();
      expect(waitedMs).toBeLessThan(5_000);
      await isServed("city:oslo", "while frozen");
    } catch (error) {
      if (WarpError.is(error)) throw new Error(`${error.code}: ${error.message}`, { cause: error });
      throw error;
    } finally {
      await Promise.all(nodes.map((node) => node.close()));
    }
  });
};

for (const service of [services.kafka, services.kafka4]) await describeWithOwn(service, itOutlives);
