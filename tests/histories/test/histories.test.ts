import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import {
  checkHistory,
  checkLinearizable,
  countStaleReads,
  decodeHistory,
  encodeHistory,
  findAnomalies,
  lockAnomalies,
  type Operation,
  Recorder,
  type Status,
  type Step,
  timelinePage,
  timelineText,
  type Value,
} from "../src/index.ts";

const read = (value: Value, key = "x"): Step => ({ kind: "read", key, value });
const write = (value: Value, key = "x"): Step => ({ kind: "write", key, value });
const add = (amount: number, value?: number): Step =>
  value === undefined ? { kind: "add", key: "x", amount } : { kind: "add", key: "x", amount, value };
const swap = (expected: Value, value: Value): Step => ({ kind: "swap", key: "x", expected, value });

type Line = readonly [start: number, end: number | null, steps: readonly Step[] | Step, status?: Status];

const operations = (lines: readonly Line[]): Operation[] =>
  lines.map(([start, end, steps, status], index) => ({
    id: index + 1,
    process: `p${index % 3}`,
    call: "call",
    steps: Array.isArray(steps) ? steps : [steps as Step],
    status: status ?? (end === null ? "unknown" : "ok"),
    start,
    end,
  }));

const problemsOf = (lines: readonly Line[]): readonly string[] =>
  checkHistory({ operations: operations(lines), locks: [] }).problems;

const good: Record<string, readonly Line[]> = {
  "a read of what was written": [
    [0, 1, write(1)],
    [2, 3, read(1)],
  ],
  "a read beside a write gives the old value": [
    [0, 10, write(1)],
    [2, 3, read(null)],
    [4, 5, read(1)],
  ],
  "two writes at once, in either order": [
    [0, 10, write(1)],
    [0, 10, write(2)],
    [11, 12, read(1)],
  ],
  "an unknown write that lands late": [
    [0, null, write(1)],
    [1, 2, read(null)],
    [5, 6, read(1)],
  ],
  "an unknown write that never lands": [
    [0, null, write(1)],
    [1, 2, read(null)],
    [5, 6, read(null)],
  ],
  "a failed write that nobody sees": [
    [0, 1, write(1), "failed"],
    [2, 3, read(null)],
  ],
  "a delete, and a new value": [
    [0, 1, write(1)],
    [2, 3, write(null)],
    [4, 5, read(null)],
    [6, 7, write(2)],
    [8, 9, read(2)],
  ],
  "sums that were told": [
    [0, 5, add(1, 1)],
    [0, 5, add(1, 2)],
    [6, 7, read(2)],
  ],
  "an unknown sum that counts": [
    [0, null, add(5)],
    [1, 2, add(1, 6)],
  ],
  "a swap that found what it expected": [
    [0, 1, write(1)],
    [2, 3, swap(1, 2)],
    [4, 5, read(2)],
  ],
  "a swap that did not": [
    [0, 1, write(1)],
    [2, 3, { kind: "differs", key: "x", other: 5 }],
  ],
  "a creation that was first, and one that was not": [
    [0, 5, { kind: "create", key: "x", value: 1, result: 1 }],
    [0, 5, { kind: "create", key: "x", value: 2, result: 1 }],
  ],
  "a transaction of two keys seen whole": [
    [0, 1, [write(1), write(1, "y")]],
    [2, 3, [read(1), read(1, "y")]],
  ],
  "transfers that keep the sum": [
    [0, 1, [write(5), write(5, "y")]],
    [2, 9, [read(5), read(5, "y"), write(4), write(6, "y")]],
    [2, 9, [read(5), read(5, "y")]],
    [10, 11, [read(4), read(6, "y")]],
  ],
};

const bad: Record<string, readonly Line[]> = {
  "a stale read": [
    [0, 1, write(1)],
    [2, 3, write(2)],
    [4, 5, read(1)],
  ],
  "a read of nothing after a write": [
    [0, 1, write(1)],
    [2, 3, read(null)],
  ],
  "a read of a value from the future": [
    [0, 1, read(1)],
    [2, 3, write(1)],
  ],
  "a read of a failed write": [
    [0, 1, write(1), "failed"],
    [2, 3, read(1)],
  ],
  "a read of what nobody wrote": [
    [0, 1, write(1)],
    [2, 3, read(7)],
  ],
  "reads that go back beside a write": [
    [0, 10, write(1)],
    [1, 2, read(1)],
    [3, 4, read(null)],
  ],
  "a deleted value that comes back": [
    [0, 1, write(1)],
    [2, 3, write(null)],
    [4, 5, read(null)],
    [6, 7, read(1)],
  ],
  "a lost sum": [
    [0, 5, add(1, 1)],
    [0, 5, add(1, 1)],
  ],
  "a sum that counts twice": [
    [0, null, add(5)],
    [1, 2, add(1, 11)],
  ],
  "an unknown write that lands twice": [
    [0, null, write(1)],
    [1, 2, read(1)],
    [3, 4, write(2)],
    [5, 6, read(2)],
    [7, 8, read(1)],
  ],
  "two swaps that both won": [
    [0, 1, write(1)],
    [2, 9, swap(1, 2)],
    [2, 9, swap(1, 3)],
  ],
  "two creations that both won": [
    [0, 1, { kind: "create", key: "x", value: 1, result: 1 }],
    [2, 3, { kind: "create", key: "x", value: 2, result: 2 }],
  ],
  "a lost update": [
    [0, 1, write(1)],
    [2, 9, [read(1), write(2)]],
    [2, 9, [read(1), write(3)]],
    [10, 11, read(3)],
  ],
  "a write skew": [
    [0, 1, [write(1), write(1, "y")]],
    [2, 9, [read(1), read(1, "y"), write(2)]],
    [2, 9, [read(1), read(1, "y"), write(2, "y")]],
  ],
  "a read skew": [
    [0, 1, [write(1), write(1, "y")]],
    [2, 9, [read(1), read(1, "y"), write(2), write(2, "y")]],
    [2, 9, [read(1), read(2, "y")]],
  ],
  "a transaction of which half is seen": [
    [0, 1, [write(1), write(1, "y")]],
    [2, 3, [read(1), read(null, "y")]],
  ],
  "a long fork": [
    [0, 9, write(1)],
    [0, 9, write(1, "y")],
    [0, 9, [read(1), read(null, "y")]],
    [0, 9, [read(null), read(1, "y")]],
  ],
  "a circular flow": [
    [0, 9, [write(1), read(1, "y")]],
    [0, 9, [write(1, "y"), read(1)]],
    [0, 1, [write(0), write(0, "y"), write(0, "z")]],
  ],
};

describe("the checker", () => {
  it.each(Object.entries(good))("lets pass: %s", (_, lines) => {
    expect(problemsOf(lines)).toEqual([]);
  });

  it.each(Object.entries(bad))("finds: %s", (_, lines) => {
    expect(problemsOf(lines)).not.toEqual([]);
  });

  it("names cycles where the order of values is known", () => {
    const names = (lines: readonly Line[]) => findAnomalies(operations(lines)).map(({ name }) => name);
    expect(names(bad["a write skew"] as Line[])).toEqual([expect.stringContaining("G2, write skew")]);
    expect(names(bad["a read skew"] as Line[])).toEqual([expect.stringContaining("G-single")]);
    expect(names(bad["a read of a failed write"] as Line[])).toEqual(["G1a, aborted read"]);
    expect(names(bad["a circular flow"] as Line[])).toEqual([expect.stringContaining("G1c")]);
    for (const lines of Object.values(good)) expect(names(lines)).toEqual([]);
  });
});

/** Every order, whatever it costs. */
const bruteForce = (all: readonly Operation[]): boolean => {
  const place = (left: readonly Operation[], held: Value): boolean => {
    if (left.every(({ status }) => status === "unknown")) return true;
    return left.some((one) => {
      if (left.some((other) => other.status === "ok" && (other.end as number) < one.start)) return false;
      const rest = left.filter((other) => other !== one);
      const [step] = one.steps as [Step];
      if (step.kind === "write") return place(rest, step.value);
      if (step.kind === "swap") {
        if (held === step.expected) return place(rest, step.value);
        return one.status === "unknown" && place(rest, held);
      }
      return step.kind === "read" && held === step.value && place(rest, held);
    });
  };
  return place(all, null);
};

const line = fc
  .record({
    start: fc.integer({ min: 0, max: 20 }),
    took: fc.integer({ min: 0, max: 8 }),
    kind: fc.constantFrom("read", "write", "swap"),
    value: fc.constantFrom(1, 2, 3),
    expected: fc.constantFrom(null, 1, 2, 3),
    isUnknown: fc.boolean(),
  })
  .map(({ start, took, kind, value, expected, isUnknown }): Line => {
    if (kind === "read") return [start, start + took, read(expected)];
    const step = kind === "write" ? write(value) : swap(expected, value);
    return isUnknown ? [start, null, step] : [start, start + took, step];
  });

it("says of small histories what trying every order says", () => {
  fc.assert(
    fc.property(fc.array(line, { maxLength: 7 }), (lines) => {
      const all = operations(lines);
      expect(checkLinearizable(all).outcome).toBe(bruteForce(all) ? "linearizable" : "not linearizable");
    }),
    { numRuns: 3_000, seed: 1 },
  );
});

it("is quick on long histories", () => {
  const lines: Line[] = [];
  for (let at = 0; at < 5_000; at++)
    lines.push([at * 10, at * 10 + 12, write(at)], [at * 10 + 12.5, at * 10 + 19, read(at)]);
  const verdict = checkLinearizable(operations(lines));
  expect(verdict.outcome).toBe("linearizable");
  expect(verdict.steps).toBeLessThan(50_000);
});

it("locks hand out tokens that grow, and a resource takes none after a larger one", () => {
  const grant = (token: string, start: number) =>
    ({ lock: "l", process: "p", event: "granted", token, start, end: start + 1 }) as const;
  const accepted = (token: string) =>
    ({ lock: "l", process: "p", event: "accepted", token, start: 0, end: 0 }) as const;
  expect(lockAnomalies([grant("9", 0), grant("10", 2), accepted("9"), accepted("10")])).toEqual([]);
  expect(lockAnomalies([grant("10", 0), grant("9", 2)])).toHaveLength(1);
  expect(lockAnomalies([grant("9", 0), grant("9", 2)])).toHaveLength(2);
  expect(lockAnomalies([accepted("10"), accepted("9")])).toHaveLength(1);
});

it("stale reads are counted, with their age", () => {
  const lines: Line[] = [
    [0, 1, write(1)],
    [2, 3, write(2)],
    [5, 6, read(1)],
    [8, 9, read(1)],
    [8, 9, read(2)],
    [2, 9, read(1)],
  ];
  expect(countStaleReads(operations(lines))).toEqual({ reads: 4, stale: 2, medianMs: 5, longestMs: 5 });
});

it("a history is the same after it was written down and read, and can be looked at", () => {
  let now = 0;
  const recorder = new Recorder(() => now++);
  const id = recorder.begin("p1", "set", [write("a")]);
  recorder.begin("p2", "get", [{ kind: "read", key: "x" }]);
  recorder.end(id, { status: "ok" });
  recorder.lock({ lock: "l", process: "p1", event: "granted", token: "12", start: 0, end: 1 });
  const history = { operations: recorder.operations, locks: recorder.locks };
  expect(decodeHistory(encodeHistory(history))).toEqual(history);
  expect(() => decodeHistory('{"id":1}\n')).toThrow("line 1");
  expect(() => decodeHistory("\nnonsense")).toThrow("line 2 is not JSON");
  expect(timelineText(history.operations)).toContain('#1 p1 set x := "a"');
  expect(timelinePage("A <history>", history.operations)).toContain("A &lt;history>");
});
