import { describe, expect, it } from "@jest/globals";
import type { LockEvent, Operation } from "@warp/tests-histories";
import type { QuorumLoss } from "../src/strong-act.ts";
import { checkFlags, checkLock, checkOrder, checkRefusal, checkReturn } from "../src/strong-checks.ts";

it("a history that fits no order fails, and so does one of nothing, or of failures", () => {
  const ended = (status: Operation["status"], count: number): readonly Operation[] =>
    Array.from({ length: count }, (_, id) => ({
      ...{ id, process: "a", call: "find", steps: [], status, start: 0, end: 1 },
    }));
  const nine = ended("ok", 9);
  expect(checkOrder([...nine, ...ended("failed", 2)], []).passed).toBe(true);
  for (const operations of [[], ended("failed", 9), [...nine, ...ended("failed", 3)], ended("unknown", 9)])
    expect(checkOrder(operations, []).passed).toBe(false);
  expect(checkOrder(nine, ["not linearizable"]).passed).toBe(false);
});

describe("the lock", () => {
  const event = (what: LockEvent["event"]): LockEvent => ({
    ...{ lock: "lock:x", process: "a", event: what, token: "1", start: 0, end: 1 },
  });

  it.each([
    [["granted", "granted", "accepted", "refused"], true],
    [["granted", "granted", "accepted"], false],
    [["granted", "accepted", "refused"], false],
    [["granted", "granted", "refused"], false],
    [[], false],
  ] as const)("%j: %s", (events, passed) => {
    expect(checkLock(events.map(event)).passed).toBe(passed);
  });
});

describe("a quorum that was lost", () => {
  const loss: QuorumLoss = {
    ...{
      code: "QUORUM_NOT_SATISFIED",
      codeBeyondTheCut: "UNAVAILABLE",
      refusedAfterMs: 1,
      before: "a",
      after: "a",
      answers: ["a", "a"],
      backAfterMs: 3,
    },
  };

  it("holds where the write was refused, nothing changed, and everybody said so", () => {
    expect(checkRefusal(loss).passed).toBe(true);
    expect(checkReturn(loss).passed).toBe(true);
  });

  it.each([
    ["the write went well", { code: undefined }],
    ["nobody knows how the write ended", { code: "OUTCOME_UNKNOWN" }],
    ["a node that was cut off could write", { codeBeyondTheCut: undefined }],
    ["the store holds what was refused", { after: "b", answers: ["b", "b"] }],
    ["a node said something else", { answers: ["a", "b"] }],
    ["nobody was asked", { answers: [] }],
  ])("fails where %s", (_, wrong) => {
    expect(checkRefusal({ ...loss, ...wrong }).passed).toBe(false);
  });

  it("fails where writes never come back", () => {
    expect(checkReturn({ ...loss, backAfterMs: undefined }).passed).toBe(false);
  });
});

it.each([
  [{ a: "1", b: "1", store: "1" }, true],
  [{ a: "1", b: "2", store: "1" }, false],
  [{ store: "1" }, false],
  [{ a: "1", b: "1" }, false],
])("flags of %j: %s", (held, passed) => {
  expect(checkFlags(new Map(Object.entries(held))).passed).toBe(passed);
});
