import { readFileSync } from "node:fs";
import { expect, it } from "@jest/globals";
import {
  lastWriteWins,
  mergeFields,
  nextVersion,
  observedAdd,
  observedElements,
  observedRemove,
  observedRemoveSet,
  sum,
  union,
  vectorClocks,
} from "../src/index.ts";

it("the README's first example does what it says", () => {
  interface City {
    views?: number;
    name?: string;
    tags?: string[];
  }
  const cityMerge = mergeFields<City>({ views: sum(), name: lastWriteWins(), tags: union() });

  const stored = cityMerge.merge({ views: 41, name: "Roma" }, { views: 1, tags: ["capital"] });
  expect(stored).toEqual({ views: 42, name: "Roma", tags: ["capital"] });
});

it("the README's example of sets does what it says", () => {
  const tags = observedRemoveSet<string>();
  let held = tags.merge(undefined, observedAdd("harbour", "tag-1")); // tags: crypto.randomUUID()
  const removal = observedRemove(held, "harbour"); // what this writer has seen
  held = tags.merge(held, observedAdd("harbour", "tag-2")); // meanwhile, another writer
  held = tags.merge(held, removal);
  expect(observedElements(held)).toEqual(["harbour"]); // the addition it had not seen stands
});

it("the README's example of vector clocks does what it says", () => {
  const engine = vectorClocks<string>();
  const first = engine.merge(undefined, nextVersion(undefined, "rome", "a"));
  let both = engine.merge(first, nextVersion(first, "rome", "b"));
  both = engine.merge(both, nextVersion(first, "oslo", "c")); // had not seen "b"
  expect(both.versions.map(({ value }) => value)).toEqual(["c", "b"]);
  both = engine.merge(both, nextVersion(both, "oslo", "b and c"));
  expect(both.versions).toEqual([{ clock: { rome: 2, oslo: 2 }, value: "b and c" }]);
});

it("every example in the README is one of these tests, word for word", () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const here = readFileSync(new URL(import.meta.url), "utf8").replaceAll(/^ {2}/gm, "");
  const examples = [...readme.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code as string);
  expect(examples).toHaveLength(3);
  for (const example of examples) expect(here).toContain(example);
});
