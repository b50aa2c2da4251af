import { expect, it } from "@jest/globals";
import { Outbox } from "../../src/mechanisms/outbox.ts";
import { systemRandom } from "../../src/values/random.ts";
import { bodyBytes, type FrameBody } from "../../src/wire/frame-body.ts";
import { settle, VirtualClock } from "../support/virtual-clock.ts";

const outcome = (operation: string, keys: readonly string[] = ["k"]): FrameBody => ({
  kind: "commit",
  operation,
  keys,
  sharedDropped: false,
});
const abort = (operation: string): FrameBody => ({ kind: "abort", operation });

/** An outbox, what it hands to the transport, and what that says each time: yes, unless there is something to throw. */
const setUp = (roomBytes = 1_000, onFailure?: () => void) => {
  const clock = new VirtualClock();
  const sent: { readonly number: number; readonly bodies: readonly FrameBody[] }[] = [];
  const failures: unknown[] = [];
  const refusals: Error[] = [];
  const outbox = new Outbox({
    clock,
    random: systemRandom,
    roomBytes,
    mostKeys: 100,
    send: async (number, bodies) => {
      sent.push({ number, bodies });
      const refusal = refusals.shift();
      if (refusal !== undefined) throw refusal;
    },
    onFailure: (error) => {
      failures.push(error);
      onFailure?.();
    },
    onForgotten: () => undefined,
  });
  return { clock, outbox, sent, failures, refusals };
};

it("what is not counted goes along with the news of its turn, also where it comes at the end of that", async () => {
  const { outbox, sent } = setUp();
  expect(outbox.ride([abort("1")])).toBeUndefined();
  outbox.addOther(outcome("2"));
  const taken = new Promise((resolve) => process.nextTick(() => resolve(outbox.ride([abort("3")]))));
  expect(await taken).toBe(true);
  expect(sent).toEqual([{ number: 1, bodies: [abort("3"), outcome("2")] }]);
  await outbox.drained();
  expect(outbox.ride([abort("4")])).toBeUndefined();
});

it("nothing rides where another does, behind a heartbeat, or while a frame is under way", async () => {
  const { outbox, sent } = setUp();
  outbox.addOther(outcome("1"));
  const first = outbox.ride([abort("2")]);
  expect(outbox.ride([abort("3")])).toBeUndefined();
  await first;
  expect(outbox.ride([abort("4")])).toBeUndefined();
  await outbox.drained();
  outbox.addUrgent(async () => undefined);
  outbox.addOther(outcome("5"));
  expect(outbox.ride([abort("6")])).toBeUndefined();
  await outbox.drained();
  expect(sent.map(({ bodies }) => bodies.length)).toEqual([2, 1]);
});

it("a frame that is handed over again goes without what rode along, whose sender was told", async () => {
  const { clock, outbox, sent, failures, refusals } = setUp();
  const refusal = new Error("away");
  refusals.push(refusal);
  outbox.addOther(outcome("1"));
  await expect(outbox.ride([abort("2")])).rejects.toBe(refusal);
  expect([outbox.depth, outbox.isRetrying, failures]).toEqual([1, true, [refusal]]);
  await clock.advance(100);
  expect(sent.map(({ number, bodies }) => [number, bodies.length])).toEqual([
    [1, 2],
    [1, 1],
  ]);
  expect([outbox.depth, outbox.isRetrying]).toEqual([0, false]);
});

it("news are told also where each heartbeat takes until the next is due, and whatever the logger does", async () => {
  const { outbox, sent } = setUp(1_000, () => {
    throw new Error("the logger broke");
  });
  /** How many frames had been handed over at each. */
  const beats: number[] = [];
  const beat = async (): Promise<void> => {
    beats.push(sent.length);
    if (beats.length < 5) outbox.addUrgent(beat);
    throw new Error("away");
  };
  outbox.addUrgent(beat);
  outbox.addOther(outcome("1"));
  await settle();
  expect(beats).toEqual([0, 1, 1, 1, 1]);
  await outbox.drained();
  outbox.addOther(outcome("2"));
  const riding = outbox.ride([abort("3")]);
  outbox.addUrgent(beat);
  expect(await riding).toBe(true);
  await outbox.drained();
  expect(beats.slice(5)).toEqual([2]);
});

it("what has no room beside the news does not ride, and is told so", async () => {
  const news = outcome("1", ["x".repeat(200)]);
  const { outbox, sent } = setUp(bodyBytes(news) + bodyBytes(abort("2")) - 1);
  outbox.addOther(news);
  expect(await outbox.ride([abort("2")])).toBe(false);
  expect(sent.map(({ bodies }) => bodies)).toEqual([[news]]);
});

it("what wants to ride with an outbox that ends is told so, and the outbox is drained", async () => {
  const { outbox, sent } = setUp();
  outbox.addOther(outcome("1"));
  const riding = outbox.ride([abort("2")]);
  outbox.end();
  expect(await riding).toBe(false);
  await outbox.drained();
  await settle();
  expect(sent).toEqual([]);
});
