import { describe, expect, it } from "@jest/globals";
import { KafkaBus, type KafkaClient } from "../src/index.ts";
import { FakeKafka, Gate } from "./fake-kafka.ts";
import { bytes, HeldTimers, Recorder, until } from "./recorder.ts";

const coded = (code: string) => expect.objectContaining({ code });

describe("publish", () => {
  const textsOf = (kafka: FakeKafka): string[][] =>
    kafka.sent.map(({ messages }) => messages.map(({ value }) => value.toString()));

  it("frames of one turn share a request, and those that come while it is under way the next one", async () => {
    const kafka = new FakeKafka();
    kafka.sending = new Gate();
    const bus = new KafkaBus(kafka);
    const first = ["a", "b"].map((text) => bus.publish(bytes(text)));
    await until("a request is made", () => kafka.sent.length === 1);
    const second = ["c", "d"].map((text) => bus.publish(bytes(text)));
    kafka.sending.open();
    await Promise.all([...first, ...second]);
    expect(textsOf(kafka)).toEqual([
      ["a", "b"],
      ["c", "d"],
    ]);
  });

  it("a frame that was given up before its request was made is never sent", async () => {
    const kafka = new FakeKafka();
    kafka.sending = new Gate();
    const bus = new KafkaBus(kafka);
    const first = bus.publish(bytes("a"));
    await until("a request is made", () => kafka.sent.length === 1);
    const abort = new AbortController();
    const aborted = bus.publish(bytes("b"), undefined, { signal: abort.signal });
    const late = bus.publish(bytes("c"), undefined, { timeoutMs: 1 });
    const last = bus.publish(bytes("d"));
    abort.abort();
    await expect(aborted).rejects.toEqual(coded("ABORTED"));
    await expect(late).rejects.toEqual(coded("DEADLINE_EXCEEDED"));
    kafka.sending.open();
    await Promise.all([first, last]);
    expect(textsOf(kafka)).toEqual([["a"], ["d"]]);
  });

  it("a producer that does not answer is left for a new one, also if it connects later", async () => {
    const [kafka, timers, connecting] = [new FakeKafka(), new HeldTimers({ hold: true }), new Gate()];
    kafka.connecting = connecting;
    const bus = new KafkaBus(kafka, { timers });
    const lost = bus.publish(bytes("a"));
    await until("it connects", () => kafka.producers.length === 1);
    const outcome = expect(lost).rejects.toEqual(coded("UNAVAILABLE"));
    timers.letGo();
    await outcome;
    kafka.connecting = undefined;
    await bus.publish(bytes("b"));
    connecting.open();
    await until(
      "only the new one is connected",
      () => kafka.producers.map(({ isConnected }) => isConnected).join() === "false,true",
    );
    await bus.close();
    expect(textsOf(kafka)).toEqual([["b"]]);
    expect(kafka.producers.map(({ isConnected }) => isConnected)).toEqual([false, false]);
  });

  it("what still waits when the bus closes is rejected", async () => {
    const kafka = new FakeKafka();
    kafka.sending = new Gate();
    const bus = new KafkaBus(kafka);
    const first = bus.publish(bytes("a"));
    await until("a request is made", () => kafka.sent.length === 1);
    const outcome = expect(bus.publish(bytes("b"))).rejects.toEqual(coded("CLOSED"));
    await bus.close();
    await outcome;
    kafka.sending.open();
    await first;
  });

  it("only requests of some size are compressed", async () => {
    const kafka = new FakeKafka();
    const bus = new KafkaBus(kafka, { compression: "gzip" });
    await bus.publish(bytes("small"));
    await bus.publish(new Uint8Array(2_000));
    expect(kafka.sent.map(({ compression }) => compression)).toEqual([0, 1]);
  });
});

describe("subscribe", () => {
  const open = async (kafka: FakeKafka, timers = new HeldTimers({ hold: true })) => {
    const [bus, recorder] = [new KafkaBus(kafka, { timers }), new Recorder()];
    const end = await bus.subscribe("a", recorder);
    return { bus, recorder, end, timers };
  };
  const at = (kafka: FakeKafka, index: number) => {
    const consumer = kafka.consumers[index];
    if (consumer === undefined) throw new Error(`there is no consumer ${index}`);
    return consumer;
  };

  it("every generation of the group goes on where the last one stopped, and new partitions begin at their start", async () => {
    const kafka = new FakeKafka();
    const { recorder } = await open(kafka);
    const consumer = at(kafka, 0);
    expect(consumer.sought).toEqual({ 0: "7" });
    await consumer.deliver(7, ["x", "y"]);
    consumer.join([0, 1]);
    expect(consumer.sought).toEqual({ 0: "9", 1: "0" });
    await consumer.deliver(9, ["not this"], { stale: true });
    await consumer.deliver(9, ["z"]);
    await consumer.deliver(0, ["w"], { partition: 1 });
    expect(recorder).toEqual(expect.objectContaining({ texts: ["x", "y", "z", "w"], gaps: [] }));
  });

  it.each([
    ["ahead", 9],
    ["back", 2],
  ])("a log that goes on %s of where it stopped is a gap", async (_where, offset) => {
    const kafka = new FakeKafka();
    const { recorder } = await open(kafka);
    await at(kafka, 0).deliver(offset, ["x"]);
    expect(recorder.gaps).toHaveLength(1);
    expect(recorder.texts).toEqual(["x"]);
  });

  it.each([
    ["still has what comes next", { partition: 0, low: "3", high: "20" }, "8"],
    ["was cut below that", { partition: 0, low: "12", high: "20" }, "20"],
    ["lost it", { partition: 0, low: "0", high: "5" }, "5"],
  ])(
    "a consumer that crashed is followed by another, and a gap, where the log %s",
    async (_what, offsets, expected) => {
      const kafka = new FakeKafka();
      const { recorder, timers, bus } = await open(kafka);
      await at(kafka, 0).deliver(7, ["x"]);
      kafka.offsets = [offsets];
      at(kafka, 0).crash();
      await until("it waits before it tries again", () => timers.held.size > 0);
      expect(recorder.gaps).toEqual([]);
      timers.letGo();
      await recorder.toldOfGap();
      expect(at(kafka, 1).sought).toEqual({ 0: expected });
      expect(kafka.deletedGroups).toEqual([]);
      await bus.close();
      expect(kafka.consumers.map(({ isConnected }) => isConnected)).toEqual([false, false]);
      expect(kafka.deletedGroups).toHaveLength(1);
    },
  );

  it("a subscription that forms for longer than its caller waits is there for the next call", async () => {
    const [kafka, recorder, impatient] = [new FakeKafka(), new Recorder(), new Recorder()];
    kafka.joining = new Gate();
    const bus = new KafkaBus(kafka);
    await expect(bus.subscribe("a", impatient, { timeoutMs: 5 })).rejects.toEqual(coded("DEADLINE_EXCEEDED"));
    const again = bus.subscribe("a", recorder);
    kafka.joining.open();
    await again;
    await at(kafka, 0).deliver(7, ["x"]);
    await bus.close();
    expect([recorder.texts, impatient.texts, kafka.consumers.length]).toEqual([["x"], [], 1]);
  });

  it("a broker that has only just started is asked again, and one that refuses is not", async () => {
    const kafka = new FakeKafka();
    const said = (type: string): Error => new Error("kafkajs", { cause: Object.assign(new Error(type), { type }) });
    kafka.refusals.push(said("GROUP_LOAD_IN_PROGRESS"), said("GROUP_AUTHORIZATION_FAILED"));
    const bus = new KafkaBus(kafka);
    await expect(bus.subscribe("a", new Recorder())).rejects.toEqual(coded("UNAVAILABLE"));
    expect(kafka.consumers.map(({ isConnected }) => isConnected)).toEqual([false, false]);
    await bus.subscribe("a", new Recorder());
    expect(kafka.consumers).toHaveLength(3);
    await bus.close();
  });

  it("a subscription that nobody comes back for is ended", async () => {
    const [kafka, timers] = [new FakeKafka(), new HeldTimers({ hold: true })];
    const bus = new KafkaBus(kafka, { timers });
    const signal = AbortSignal.abort();
    await expect(bus.subscribe("a", new Recorder(), { signal })).rejects.toEqual(coded("ABORTED"));
    await until("it has joined", () => kafka.consumers[0]?.isConnected === true);
    timers.letGo();
    await until("its consumer is gone", () => kafka.consumers[0]?.isConnected === false);
    await bus.close();
  });

  it("a consumer that is ended while it joins is disconnected once it has joined", async () => {
    const kafka = new FakeKafka();
    kafka.joining = new Gate();
    const bus = new KafkaBus(kafka);
    const subscribed = bus.subscribe("a", new Recorder());
    await until("it connects", () => kafka.consumers[0]?.isConnected === true);
    const closed = bus.close();
    kafka.joining.open();
    await Promise.all([subscribed, closed]);
    expect(at(kafka, 0).isConnected).toBe(false);
  });

  it("frames that are for another node are not handed on", async () => {
    const kafka = new FakeKafka();
    const { bus, recorder } = await open(kafka);
    await bus.publish(bytes("x"), "b");
    expect(kafka.sent[0]?.messages[0]?.headers).toEqual({ to: "b" });
    // kafkajs hands on the values of headers as bytes.
    await at(kafka, 0).deliver(7, ["to b"], { headers: { to: Buffer.from("b") } });
    await at(kafka, 0).deliver(8, ["to a"], { headers: { to: Buffer.from("a") } });
    expect(recorder.texts).toEqual(["to a"]);
  });
});

describe("options", () => {
  it.each([
    ["topic", { topic: "a/b" }],
    ["groupPrefix", { groupPrefix: "" }],
    ["acks", { acks: 0 as never }],
    ["compression", { compression: "zip" as never }],
    ["maxMessageBytes", { maxMessageBytes: 100 }],
    ["fetchWait", { fetchWait: "soon" as never }],
    ["createTopic.partitions", { createTopic: { partitions: 0 } }],
    ["createTopic.replicationFactor", { createTopic: { replicationFactor: 1.5 } }],
    ["createTopic.retention", { createTopic: { retention: 0 } }],
  ])("a wrong %s is refused by name", (name, options) => {
    const error = expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringContaining(name) });
    expect(() => new KafkaBus(new FakeKafka(), options)).toThrow(error);
  });
});

it.each([undefined, {}])("%p in place of the client is UNSUPPORTED, and says what is needed", (client) => {
  expect(() => new KafkaBus(client as unknown as KafkaClient)).toThrow(
    expect.objectContaining({ code: "UNSUPPORTED", message: expect.stringContaining("KafkaBus needs") }),
  );
});
