import { describe, expect, it } from "@jest/globals";
import { MemoryBus, MemoryNetwork, type MemoryNetworkOptions } from "../../src/index.ts";
import { ManualClock } from "./manual-clock.ts";

/** Nodes a, b and c, and what each is told: the first byte of frames, or the reason of gaps. */
const setUp = async (options: MemoryNetworkOptions = {}) => {
  const clock = new ManualClock();
  const network = new MemoryNetwork({ clock, ...options });
  const told: Record<string, (number | string)[]> = {};
  const join = async (name: string) => {
    const bus = new MemoryBus(network);
    const log: (number | string)[] = [];
    told[name] = log;
    await bus.subscribe(name, {
      onFrame: (frame) => void log.push(frame[0] ?? -1),
      onGap: (reason) => void log.push(reason),
    });
    return bus;
  };
  const [a, b, c] = [await join("a"), await join("b"), await join("c")];
  return { clock, network, told, a, b, c };
};

const frame = (number: number) => new Uint8Array([number]);
const publishAll = async (bus: MemoryBus, count: number) => {
  for (let number = 0; number < count; number++) await bus.publish(frame(number));
};
const numbers = (count: number) => Array.from({ length: count }, (_, number) => number);

it("tells every node, the sender too, and only once time passes", async () => {
  const { clock, told, a } = await setUp();
  await a.publish(frame(7));
  await a.publish(frame(8), "c");
  expect(told).toEqual({ a: [], b: [], c: [] });
  clock.advance(0);
  expect(told).toEqual({ a: [7], b: [7], c: [7, 8] });
});

it("keeps the order of each sender's frames, whatever the latencies", async () => {
  const latencies = [9, 1, 5, 0, 3];
  let at = 0;
  const { clock, told, a } = await setUp({ latencyMs: () => latencies[at++ % latencies.length] ?? 0 });
  await publishAll(a, 30);
  clock.advance(0);
  expect(told.b).toEqual([]);
  clock.advance(9);
  expect(told.b).toEqual(numbers(30));
});

describe("faults", () => {
  it("drop what they choose: a partition, one way too", async () => {
    const { clock, network, told, a, b } = await setUp();
    network.faults.drop = ({ from, to }) => from === "a" && to === "b";
    await a.publish(frame(1));
    await b.publish(frame(2));
    clock.advance(0);
    expect(told).toEqual({ a: [1, 2], b: [2], c: [1, 2] });
    network.faults = {};
    await a.publish(frame(3));
    clock.advance(0);
    expect(told.b).toEqual([2, 3]);
  });

  it("delay what they choose, so that others overtake it", async () => {
    const { clock, network, told, a } = await setUp();
    network.faults = { delayMs: ({ frame, to }) => (to === "b" && frame[0] === 0 ? 10 : 0) };
    await publishAll(a, 3);
    clock.advance(9);
    expect(told).toMatchObject({ b: [1, 2], c: [0, 1, 2] });
    clock.advance(1);
    expect(told.b).toEqual([1, 2, 0]);
  });

  it("deliver twice what they choose", async () => {
    const { clock, network, told, a } = await setUp();
    network.faults = { duplicate: ({ to }) => to === "c" };
    await publishAll(a, 2);
    clock.advance(100);
    expect(told.b).toEqual([0, 1]);
    expect(told.c?.toSorted()).toEqual([0, 0, 1, 1]);
  });
});

it("cuts a node off until it reconnects, loses what was on its way, and tells it of the gap", async () => {
  const { clock, network, told, a, b } = await setUp({ latencyMs: 5 });
  await a.publish(frame(1));
  network.disconnect("b");
  clock.advance(5);
  await expect(b.publish(frame(2))).rejects.toThrow("disconnected");
  await expect(b.subscribe("b", { onFrame: () => undefined, onGap: () => undefined })).rejects.toThrow("disconnected");
  await a.publish(frame(3));
  clock.advance(5);
  expect(told).toMatchObject({ a: [1, 3], b: [], c: [1, 3] });
  network.reconnect("b");
  network.reconnect("c");
  expect(told.b).toEqual([]);
  await b.publish(frame(4));
  clock.advance(5);
  expect(told).toMatchObject({ a: [1, 3, 4], b: ["reconnected", 4], c: [1, 3, 4] });
});

it("tells a process by its own clock: what it missed while it stood still comes in order", async () => {
  const { network, clock, a } = await setUp();
  const own = new ManualClock();
  const heard: number[] = [];
  const bus = new MemoryBus(network, { clock: own });
  await bus.subscribe("d", { onFrame: ([number]) => void heard.push(number ?? -1), onGap: () => void heard.push(-1) });
  await publishAll(a, 3);
  network.disconnect("d");
  network.reconnect("d");
  clock.advance(1_000);
  expect(heard).toEqual([]);
  own.advance(0);
  expect(heard).toEqual([-1, 0, 1, 2]);
});

it("loses a publish before it is sent or after it, as its pause says", async () => {
  const { network, clock, told } = await setUp();
  const losing = (lost: string) =>
    new MemoryBus(network, {
      pause: async (stage) => {
        if (stage === lost) throw new Error(`${stage} lost`);
      },
    });
  await expect(losing("request").publish(frame(1))).rejects.toThrow("request lost");
  await expect(losing("reply").publish(frame(2))).rejects.toThrow("reply lost");
  clock.advance(0);
  expect(told.a).toEqual([2]);
});

it("refuses a frame above the network's limit", async () => {
  const { a } = await setUp({ maxFrameBytes: 10 });
  expect(a.maxFrameBytes).toBe(10);
  await a.publish(new Uint8Array(10));
  await expect(a.publish(new Uint8Array(11))).rejects.toThrow(RangeError);
});
