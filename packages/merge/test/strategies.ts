import type { MergeEngine } from "@warp/core";
import fc from "fast-check";
import {
  append,
  custom,
  lastWriteWins,
  lastWriteWinsBy,
  max,
  mergeFields,
  min,
  observedRemoveSet,
  sum,
  union,
  vectorClocks,
} from "../src/index.ts";

/** `true`: the law is claimed. Otherwise values that break it. */
type Law<Count extends 1 | 2 | 3> = true | (readonly unknown[] & { readonly length: Count });

/** A row of the README's table, with values to test it on. */
export interface StrategyCase {
  /** As in the README's first column. */
  readonly name: string;
  readonly engine: MergeEngine;
  readonly values: fc.Arbitrary<unknown>;
  readonly commutative: Law<2>;
  readonly associative: Law<3>;
  readonly idempotent: Law<1>;
  readonly combines: boolean;
}

const row = <V>(
  name: string,
  engine: MergeEngine<V>,
  values: fc.Arbitrary<unknown>,
  laws: Partial<Omit<StrategyCase, "name" | "engine" | "values">> = {},
): StrategyCase => ({
  name,
  engine: engine as MergeEngine,
  values,
  commutative: true,
  associative: true,
  idempotent: true,
  combines: true,
  ...laws,
});

// JSON has no -0: core refuses it before a strategy sees it.
const json = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as unknown);
const integers = fc.integer({ min: -(2 ** 40), max: 2 ** 40 });
const finite = fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e300, max: 1e300 });
// Few distinct names, so that values meet.
const name = fc.constantFrom("a", "b", "c", "__proto__", "constructor");
const lists = fc.array(fc.oneof(json, fc.integer({ min: 0, max: 5 }), name), { maxLength: 12 });
const plain = { noNullPrototype: true };
const dated = fc.record({ at: fc.integer({ min: 0, max: 3 }), value: json }, plain);
// One element for each tag, as the contract asks.
const observed = fc
  .record({ added: fc.uniqueArray(fc.nat(9)), removed: fc.uniqueArray(fc.nat(9)) })
  .map(({ added, removed }) => ({
    added: Object.fromEntries(added.map((tag) => [`t${tag}`, { element: tag % 3 }])),
    removed: removed.map((tag) => `t${tag}`),
  }));
const clocks = fc.dictionary(name, fc.integer({ min: 1, max: 3 }), plain);
const versions = fc.record(
  {
    versions: fc.array(fc.record({ clock: clocks, value: fc.constantFrom("x", "y") }, plain), {
      minLength: 1,
      maxLength: 4,
    }),
  },
  plain,
);
const subtract = (current: number | undefined, incoming: number): number => (current ?? 0) - incoming;

export const strategyCases: readonly StrategyCase[] = [
  row("lastWriteWins()", lastWriteWins(), json, { commutative: [1, 2] }),
  row(
    "lastWriteWinsBy(timestampOf)",
    lastWriteWinsBy((value: { at: number }) => value.at),
    dated,
  ),
  row("max()", max(), finite),
  row("min()", min(), finite),
  row("sum()", sum(), integers, { idempotent: [1] }),
  row("sum({ fractions: true })", sum({ fractions: true }), finite, {
    associative: [0.1, 0.2, 0.3],
    idempotent: [1.5],
    combines: false,
  }),
  row("append({ limit })", append({ limit: 5 }), lists, { commutative: [[1], [2]], idempotent: [[1]] }),
  row("union()", union(), lists),
  row("observedRemoveSet()", observedRemoveSet(), observed),
  row(
    "mergeFields(engines)",
    mergeFields({ most: max(), tags: union() }),
    fc.record({ most: finite, tags: lists }, { requiredKeys: [], noNullPrototype: true }),
  ),
  row("vectorClocks()", vectorClocks(), versions),
  row("custom(merge)", custom(subtract), integers, {
    commutative: [1, 2],
    associative: [1, 2, 3],
    idempotent: [1],
    combines: false,
  }),
];

/** More compositions than the README has rows. */
export const composedCases: readonly StrategyCase[] = [
  row(
    "fields, one of which is not commutative and one not idempotent",
    mergeFields<{ views: number; name: unknown }>({ views: sum(), name: lastWriteWins() }),
    fc.record({ views: integers, name: json }, { requiredKeys: [], noNullPrototype: true }),
    { commutative: [{ name: 1 }, { name: 2 }], idempotent: [{ views: 1 }] },
  ),
  row(
    "fields, one of which is not associative",
    mergeFields<{ share: number }>({ share: sum({ fractions: true }) }, { otherFields: max() as MergeEngine }),
    fc.dictionary(fc.constantFrom("share", "other", "__proto__"), finite, plain),
    { associative: [{ share: 0.1 }, { share: 0.2 }, { share: 0.3 }], idempotent: [{ share: 1 }], combines: false },
  ),
  row(
    "fields within fields",
    mergeFields({ inner: mergeFields({ least: min(), seen: vectorClocks() }) }),
    fc.record(
      { inner: fc.record({ least: finite, seen: versions }, { requiredKeys: [], noNullPrototype: true }) },
      { requiredKeys: [], noNullPrototype: true },
    ),
  ),
  row(
    "custom with combine",
    custom(subtract, { name: "subtract", combine: (earlier, later) => earlier + later }),
    integers,
    { commutative: [1, 2], associative: [1, 2, 3], idempotent: [1] },
  ),
];
