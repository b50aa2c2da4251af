import { readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { composedCases, type StrategyCase, strategyCases } from "./strategies.ts";

const deepFreeze = <T>(value: T): T => {
  if (typeof value === "object" && value !== null) {
    Object.values(value).forEach(deepFreeze);
    Object.freeze(value);
  }
  return value;
};

const lawsOf = ({ engine, ...test }: StrategyCase): void => {
  const create = (value: unknown): unknown => engine.merge(undefined, value);
  const merge = engine.merge.bind(engine);
  // The laws are about values in the form that the engine gives them.
  const states = test.values.map(create);

  const commutes = (a: unknown, b: unknown) => expect(merge(a, b)).toStrictEqual(merge(b, a));
  const associates = (a: unknown, b: unknown, c: unknown) =>
    expect(merge(merge(a, b), c)).toStrictEqual(merge(a, merge(b, c)));
  const repeats = (a: unknown) => expect(merge(a, a)).toStrictEqual(a);

  if (test.commutative === true) it("is commutative", () => fc.assert(fc.property(states, states, commutes)));
  else {
    const [a, b] = test.commutative.map(create);
    it("is not commutative", () => expect(() => commutes(a, b)).toThrow());
  }
  if (test.associative === true) it("is associative", () => fc.assert(fc.property(states, states, states, associates)));
  else {
    const [a, b, c] = test.associative.map(create);
    it("is not associative", () => expect(() => associates(a, b, c)).toThrow());
  }
  if (test.idempotent === true) it("is idempotent", () => fc.assert(fc.property(states, repeats)));
  else {
    const [a] = test.idempotent.map(create);
    it("is not idempotent", () => expect(() => repeats(a)).toThrow());
  }
};

describe.each([...strategyCases, ...composedCases])("$name", (test) => {
  const { engine, values, combines } = test;
  const current = fc.option(
    values.map((value) => engine.merge(undefined, value)),
    { nil: undefined },
  );
  lawsOf(test);

  if (combines)
    it("one combined value has the effect of two", () =>
      fc.assert(
        fc.property(current, values, values, (c, a, b) => {
          const combined = engine.combine?.(a, b);
          expect(engine.merge(engine.merge(c, a), b)).toStrictEqual(engine.merge(c, combined));
        }),
      ));
  else it("has no combine", () => expect(engine.combine).toBeUndefined());

  it("changes neither argument, and answers the same again", () =>
    fc.assert(
      fc.property(current, values, values, (c, a, b) => {
        deepFreeze([c, a, b]);
        expect(engine.merge(c, a)).toStrictEqual(engine.merge(c, a));
        expect(engine.combine?.(a, b)).toStrictEqual(engine.combine?.(a, b));
      }),
    ));

  it("its results come back from JSON as they were, and go on merging the same", () =>
    fc.assert(
      fc.property(current, values, values, (c, a, b) => {
        const through = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
        const first = engine.merge(c, a);
        expect(through(first)).toStrictEqual(first);
        expect(engine.merge(through(first), through(b))).toStrictEqual(engine.merge(first, b));
      }),
    ));

  it("says by readsCurrent whether the result depends on what was there", () =>
    fc.assert(
      fc.property(current, values, (c, a) => {
        if (!engine.readsCurrent) expect(engine.merge(c, a)).toStrictEqual(a);
      }),
    ));
});

it("the README's table claims what is tested, row by row", () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const table = readme.slice(readme.indexOf("## Strategies"), readme.indexOf("### Sets"));
  const rows = table
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) => line.split("|").map((cell) => cell.trim()));
  const said = rows.map(([, name, , ...cells]) => [name, ...cells.slice(0, 4)]);
  const yes = (claimed: boolean): string => (claimed ? "yes" : "no");
  const tested = strategyCases.map(({ name, commutative, associative, idempotent, combines }) => {
    const claims = [commutative, associative, idempotent, combines].map((claim) => yes(claim === true));
    return [`\`${name}\``, ...(name.startsWith("mergeFields") ? claims.map(() => "as its engines") : claims)];
  });
  expect(said).toEqual(tested);
});
