import { describe, expect, it } from "@jest/globals";
import { type MergeEngine, WarpError, type WarpErrorCode } from "@warp/core";
import {
  append,
  compareClocks,
  custom,
  increment,
  lastWriteWins,
  lastWriteWinsBy,
  max,
  mergeClocks,
  mergeFields,
  min,
  nextVersion,
  observedAdd,
  observedElements,
  observedRemove,
  observedRemoveSet,
  sum,
  union,
  type Versions,
  vectorClocks,
} from "../src/index.ts";

const errorOf = (run: () => unknown): WarpError => {
  try {
    run();
  } catch (error) {
    if (WarpError.is(error)) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
};
const expectRefusal = (code: WarpErrorCode, words: RegExp, run: () => unknown): void => {
  const error = errorOf(run);
  expect(error.code).toBe(code);
  expect(error.port).toBe("merge");
  expect(error.message).toMatch(words);
};
const refuse = (engine: unknown, current: unknown, incoming: unknown, words: RegExp): void =>
  expectRefusal("INVALID_VALUE", words, () => (engine as MergeEngine).merge(current, incoming));

describe("numbers", () => {
  it.each([NaN, Infinity, -Infinity, "1", null, true, 1n, {}, [1]])("%p is refused by max, min and sum", (value) => {
    for (const engine of [max(), min(), sum(), sum({ fractions: true })]) {
      refuse(engine, 1, value, new RegExp(`^${engine.name}: the incoming value must be`));
      refuse(engine, value, 1, new RegExp(`^${engine.name}: the current value must be`));
    }
  });

  it("a sum that leaves the safe integers is refused, and says so", () => {
    const most = Number.MAX_SAFE_INTEGER;
    expect(sum().merge(most - 1, 1)).toBe(most);
    refuse(sum(), most, 1, /^sum: the sum must be a safe integer/);
    refuse(sum(), -most, -1, /^sum: the sum must be a safe integer/);
    refuse(sum(), 1, 2 ** 53, /^sum: the incoming value must be a safe integer/);
    refuse(sum({ fractions: true }), Number.MAX_VALUE, Number.MAX_VALUE, /the sum must be a finite number/);
    expectRefusal("INVALID_VALUE", /the sum must be/, () => sum().combine?.(most, 1));
  });

  it("a fraction is refused unless asked for", () => {
    refuse(sum(), 1, 0.5, /a safe integer; got number 0.5/);
    expect(sum({ fractions: true }).merge(1, 0.5)).toBe(1.5);
  });

  it("a minus zero, which JSON cannot carry, becomes zero", () => {
    for (const engine of [max(), min(), sum(), sum({ fractions: true })]) {
      expect(engine.merge(undefined, -0)).toBe(0);
      expect(engine.merge(-0, -0)).toBe(0);
    }
  });
});

describe("lists and sets", () => {
  it("append keeps the newest items in order of arrival, also of one write longer than the limit", () => {
    const engine = append<number>({ limit: 3 });
    expect(engine.merge([1, 2], [3, 4])).toEqual([2, 3, 4]);
    expect(engine.merge(undefined, [1, 2, 3, 4, 5])).toEqual([3, 4, 5]);
    expect(append<number[]>({ limit: 3 }).merge([[1]], [[2, 3]])).toEqual([[1], [2, 3]]);
  });

  it("union orders numbers as numbers, strings by code unit, and knows deeply equal objects", () => {
    expect(union().merge([10, 9], [1, 10])).toEqual([1, 9, 10]);
    expect(union().merge(["é", "b"], ["a", "B"])).toEqual(["B", "a", "b", "é"]);
    expect(union().merge([{ a: 1, b: [2] }], [{ b: [2], a: 1 }, null, true])).toHaveLength(3);
    expect(union().merge(undefined, [2, 1, 2])).toEqual([1, 2]);
  });

  it("what is no array is refused", () => {
    refuse(
      append({ limit: 1 }),
      undefined,
      "item",
      /^append: the incoming value must be an array of items; got "item"/,
    );
    refuse(union(), { 0: "x" }, [], /^union: the current value must be an array/);
  });

  it("an element that JSON would not bring back is refused by union", () => {
    const cycle: unknown[] = [];
    cycle.push(cycle);
    for (const element of [undefined, NaN, -0, 1n, new Date(0), new Map(), () => 1, { a: undefined }, cycle])
      refuse(union(), undefined, [element], /^union: an element must be/);
  });

  it("objects of another realm and without a prototype are plain", () => {
    const bare = Object.assign(Object.create(null), { a: 1 });
    expect(union().merge([structuredClone({ a: 1 })], [bare, { a: 1 }])).toHaveLength(1);
  });
});

describe("observed-remove set", () => {
  const engine = observedRemoveSet<unknown>();

  it("a removal takes away every addition of the element that its writer had seen", () => {
    const twice = engine.merge(observedAdd({ a: 1, b: 2 }, "t1"), observedAdd({ b: 2, a: 1 }, "t2"));
    const held = engine.merge(twice, observedAdd("other", "t3"));
    const after = engine.merge(held, observedRemove(held, { a: 1, b: 2 }));
    expect(observedElements(after)).toEqual(["other"]);
    expect(after.removed).toEqual(["t1", "t2"]);
  });

  it("a late copy of a removed addition does not bring the element back", () => {
    const addition = observedAdd("x", "t1");
    const removed = engine.merge(addition, observedRemove(addition, "x"));
    expect(observedElements(engine.merge(removed, addition))).toEqual([]);
    expect(observedElements(engine.merge(observedRemove(addition, "x"), addition))).toEqual([]);
  });

  it("an element can be added again, and an element added twice is listed once", () => {
    const addition = observedAdd("x", "t1");
    const removed = engine.merge(addition, observedRemove(addition, "x"));
    const again = engine.merge(engine.merge(removed, observedAdd("x", "t2")), observedAdd("x", "t3"));
    expect(observedElements(again)).toEqual(["x"]);
  });

  it("what does not exist has no elements, and a removal from it removes nothing", () => {
    expect(observedElements(undefined)).toEqual([]);
    expect(observedRemove(undefined, "x")).toEqual({ added: {}, removed: [] });
  });

  it("a tag named like a part of every object is a tag like any other", () => {
    const held = engine.merge(observedAdd("x", "__proto__"), observedAdd("y", "constructor"));
    expect(observedElements(held)).toEqual(["x", "y"]);
    expect(observedElements(JSON.parse(JSON.stringify(held)))).toEqual(["x", "y"]);
    expect(observedElements(engine.merge(held, observedRemove(held, "x")))).toEqual(["y"]);
  });

  it("another shape, an empty tag and a tag used twice are refused", () => {
    refuse(engine, undefined, ["x"], /^observed-remove-set: the incoming value must be an object with added/);
    refuse(engine, { added: {}, removed: [1] }, observedAdd("x", "t"), /a tag of the current value/);
    refuse(engine, observedAdd("x", "t"), observedAdd("y", "t"), /tag "t" must be unique/);
    expectRefusal("INVALID_ARGUMENT", /tag must be a non-empty string/, () => observedAdd("x", ""));
    expectRefusal("INVALID_VALUE", /an element must be plain JSON/, () => observedAdd(new Map(), "t"));
    expectRefusal("INVALID_VALUE", /the set must be/, () => observedElements({} as never));
  });
});

describe("fields", () => {
  const engine = mergeFields<{ views?: number; name?: string }>({ views: sum(), name: lastWriteWins() });

  it("a field that is not written stays, one that was not there is created by its engine", () => {
    expect(engine.merge({ name: "Roma" }, { views: 2 })).toEqual({ name: "Roma", views: 2 });
    expect(engine.merge({ views: 1 }, { views: undefined as never, name: "Oslo" })).toEqual({ views: 1, name: "Oslo" });
    refuse(engine, {}, { views: 0.5 }, /^merge-fields: field "views": sum: the incoming value/);
  });

  it("a refusal names the field, at every depth, and keeps the cause", () => {
    const nested = mergeFields({ inner: engine }) as MergeEngine;
    const error = errorOf(() => nested.merge(undefined, { inner: { views: "1" } }));
    expect(error.message).toMatch(/field "inner": merge-fields: field "views": sum: .* got "1"$/);
    expect(WarpError.has(error.cause, "INVALID_VALUE")).toBe(true);
  });

  it("a written field without an engine is refused, a stored one stays", () => {
    refuse(engine, {}, { other: 1 }, /no engine for field "other"/);
    expect((engine as MergeEngine).merge({ other: 1 }, { views: 1 })).toEqual({ other: 1, views: 1 });
    const open = mergeFields({ views: sum() }, { otherFields: lastWriteWins() }) as MergeEngine;
    expect(open.merge({ other: 1 }, { other: 2 })).toEqual({ other: 2 });
  });

  it("a field named like a part of every object does not reach the prototype", () => {
    const open = mergeFields({}, { otherFields: lastWriteWins() }) as MergeEngine;
    const merged = open.merge({}, JSON.parse('{"__proto__":{"polluted":true},"constructor":1}')) as object;
    expect(Object.getPrototypeOf(merged)).toBe(Object.prototype);
    expect(JSON.stringify(merged)).toBe('{"__proto__":{"polluted":true},"constructor":1}');
    refuse(mergeFields({ views: sum() }), {}, JSON.parse('{"constructor":1}'), /no engine for field "constructor"/);
  });

  it("what is no plain object is refused", () => {
    for (const value of [null, 1, "x", [], new Date(0)]) {
      refuse(engine, undefined, value, /^merge-fields: the incoming value must be a plain object/);
      refuse(engine, value, {}, /^merge-fields: the current value must be a plain object/);
    }
  });

  it("an error that is no refusal passes through as it is", () => {
    const bug = new TypeError("bug");
    const thrower = custom<number>(() => {
      throw bug;
    });
    expect(() => mergeFields({ a: thrower }).merge(undefined, { a: 1 })).toThrow(bug);
  });
});

describe("by timestamp", () => {
  const engine = lastWriteWinsBy((value: { at: number }) => value.at);

  it("the later value stands, whichever arrives last", () => {
    expect(engine.merge({ at: 2 }, { at: 1 })).toEqual({ at: 2 });
    expect(engine.merge({ at: 1 }, { at: 2 })).toEqual({ at: 2 });
  });

  it("a value without a timestamp is refused", () => {
    refuse(engine, { at: 1 }, null, /^last-write-wins-by: the incoming value has no timestamp/);
    refuse(engine, { at: 1 }, {}, /the timestamp of the incoming value must be a finite number; got undefined/);
    refuse(engine, { at: NaN }, { at: 1 }, /the timestamp of the current value/);
    refuse(engine, undefined, { at: "2026-01-01" }, /a finite number; got "2026-01-01"/);
  });
});

describe("vector clocks", () => {
  it.each([
    [{}, {}, "equal"],
    [{ a: 1 }, { a: 1 }, "equal"],
    [{}, { a: 1 }, "before"],
    [{ a: 2, b: 1 }, { a: 1 }, "after"],
    [{ a: 1 }, { b: 1 }, "concurrent"],
    [{ a: 2, b: 1 }, { a: 1, b: 2 }, "concurrent"],
    [{}, JSON.parse('{"__proto__":1}'), "before"],
    [{ constructor: 1 }, {}, "after"],
  ] as const)("%j compared with %j is %s", (a, b, order) => expect(compareClocks(a, b)).toBe(order));

  it("a clock incremented or merged is after what it has seen", () => {
    const clock = { a: 1, b: 3 };
    expect(increment(clock, "c")).toEqual({ a: 1, b: 3, c: 1 });
    expect(compareClocks(increment(clock, "__proto__"), clock)).toBe("after");
    expect(mergeClocks({ a: 2 }, clock)).toEqual({ a: 2, b: 3 });
    expect(mergeClocks()).toEqual({});
  });

  it("concurrent versions stay side by side until a writer who saw them resolves them", () => {
    const engine = vectorClocks<string>();
    const base = engine.merge(undefined, nextVersion(undefined, "n0", "base"));
    const writes = ["n1", "n2", "n3"].map((node) => nextVersion(base, node, `by ${node}`));
    const siblings = writes.reduce(engine.merge, base);
    expect(siblings.versions.map(({ value }) => value).sort()).toEqual(["by n1", "by n2", "by n3"]);
    const resolved = engine.merge(siblings, nextVersion(siblings, "n1", "resolved"));
    expect(resolved.versions).toEqual([{ clock: { n0: 1, n1: 2, n2: 1, n3: 1 }, value: "resolved" }]);
    expect(writes.reduce(engine.merge, resolved)).toEqual(resolved);
  });

  it("two values under one clock are both kept", () => {
    const pair = vectorClocks().merge(nextVersion(undefined, "n", "x"), nextVersion(undefined, "n", "y"));
    expect(pair.versions).toHaveLength(2);
  });

  it("a write that makes too many siblings is refused, one that resolves them never is", () => {
    const wide = vectorClocks<number>();
    const many = [1, 2, 3].map((value) => nextVersion(undefined, `n${value}`, value)).reduce(wide.merge);
    const narrow = vectorClocks<number>({ maxSiblings: 2 });
    refuse(narrow, many, nextVersion(undefined, "n4", 4), /4 concurrent versions are more than maxSiblings 2/);
    expect(narrow.merge(many, nextVersion(many, "n4", 4)).versions).toHaveLength(1);
  });

  it("another shape is refused", () => {
    const engine = vectorClocks();
    const good = nextVersion(undefined, "n", 1);
    const bad: [unknown, RegExp][] = [
      [1, /the incoming value must be an object with versions/],
      [{ versions: [] }, /at least one/],
      [{ versions: [{ clock: {} }] }, /an object with clock and value/],
      [{ versions: [{ value: 1 }] }, /the clock of a version of the incoming value must be an object of counts/],
      [{ versions: [{ value: 1, clock: { n: 0 } }] }, /the count of node "n" in .* above 0; got number 0/],
      [{ versions: [{ value: 1, clock: { "": 1 } }] }, /a node of .* must be a non-empty string/],
      [{ versions: [{ value: NaN, clock: {} }] }, /a version must be plain JSON/],
    ];
    for (const [value, words] of bad) refuse(engine, good, value, words);
    expectRefusal("INVALID_VALUE", /what was seen/, () => nextVersion({ versions: [] } as Versions, "n", 1));
    expectRefusal("INVALID_VALUE", /compareClocks: b must be/, () => compareClocks({}, [] as never));
    expectRefusal("INVALID_VALUE", /below 2\^53 - 1/, () => increment({ n: Number.MAX_SAFE_INTEGER }, "n"));
    expectRefusal("INVALID_ARGUMENT", /increment: node must be a non-empty string/, () => increment({}, ""));
  });
});

describe("options", () => {
  const bad: [string, RegExp, () => unknown][] = [
    ["append without a limit", /^append: limit must be .* got undefined/, () => append({} as never)],
    ["append with a limit of 0", /^append: limit/, () => append({ limit: 0 })],
    ["append with half an item", /^append: limit/, () => append({ limit: 1.5 })],
    ["sum with a word", /^sum: fractions must be a boolean; got "yes"/, () => sum({ fractions: "yes" as never })],
    ["vectorClocks without room", /^vectorClocks: maxSiblings/, () => vectorClocks({ maxSiblings: 0 })],
    ["lastWriteWinsBy a name", /^timestampOf must be a function; got "at"/, () => lastWriteWinsBy("at" as never)],
    ["custom without a function", /^custom: merge/, () => custom(undefined as never)],
    ["custom without a name", /^custom: name/, () => custom(() => 1, { name: "" })],
    ["custom with a wrong combine", /^custom: combine/, () => custom(() => 1, { combine: 1 as never })],
    ["mergeFields without fields", /^mergeFields: fields/, () => mergeFields(undefined as never)],
    [
      "a field that is no engine",
      /^mergeFields: field "a" must be a merge engine; got "sum"/,
      () => mergeFields({ a: "sum" as never }),
    ],
    ["a field that is null", /^mergeFields: field "a" .* got null/, () => mergeFields({ a: null as never })],
    [
      "other fields without an engine",
      /^mergeFields: otherFields/,
      () => mergeFields({}, { otherFields: {} as never }),
    ],
  ];
  it.each(bad)("%s is refused, by name", (_what, words, run) => expectRefusal("INVALID_ARGUMENT", words, run));
});

describe("custom", () => {
  it("a function that answers nothing, or later, is refused", () => {
    refuse(
      custom(() => undefined),
      1,
      2,
      /^custom: the result of merge must be a value, at once; got undefined/,
    );
    refuse(
      custom(async (_current, incoming) => incoming, { name: "slow" }),
      1,
      2,
      /^slow: the result of merge/,
    );
    const engine = custom<unknown>((_c, i) => i, { combine: () => undefined });
    expectRefusal("INVALID_VALUE", /the result of combine/, () => engine.combine?.(1, 2));
  });

  it("what the function throws is thrown as it is", () => {
    const refusal = new RangeError("below the balance");
    const engine = custom<unknown>(() => {
      throw refusal;
    });
    expect(() => engine.merge(1, 2)).toThrow(refusal);
  });
});

it("an engine cannot be changed", () => {
  for (const engine of [lastWriteWins(), sum(), custom(() => 1), mergeFields({ a: max() })])
    expect(Object.isFrozen(engine)).toBe(true);
});
