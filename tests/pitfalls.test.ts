import { readFileSync } from "node:fs";
import { expect, it } from "@jest/globals";
import { allTestNames, caseNamesIn, testNamesIn } from "./test-names.ts";

const text = readFileSync(new URL("../docs/pitfalls.md", import.meta.url), "utf8");
const rows = [...text.matchAll(/^\| (\w+) \|(.+)\|(.+)\|$/gm)].map(([, id = "", pitfall = "", proof = ""]) => ({
  id,
  pitfall: pitfall.trim(),
  proof: proof.trim(),
}));

/** The tests that a cell names. Whatever else it quotes has no arrow in it. */
const namedIn = (proof: string): string[] =>
  [...proof.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name).filter((name) => name.includes(" › "));

it("names of tests and of groups are found behind their groups, those made at run time are not", () => {
  const source = 'describe("a", () => { it("b", f); it("c" + d, f); describe("e", () => it.each([])("g", f)); });';
  expect(testNamesIn(`${source} test("h", f);`)).toEqual(["a", "a › b", "a › e", "h"]);
  expect(caseNamesIn('const t = { "one case": f, short: g, "another case": { needs, check } };')).toEqual([
    "one case",
    "another case",
  ]);
});

it("every pitfall has its line, in order", () => {
  const numbers = Array.from({ length: 30 }, (_, index) => String(index + 1));
  expect(rows.map(({ id }) => id)).toEqual([..."ABCDEFGH", ...numbers]);
  expect(rows.filter(({ pitfall }) => pitfall.length < 20)).toEqual([]);
});

it("every line names a test, or says that it is not due yet", () => {
  expect(
    rows.filter(({ proof }) => namedIn(proof).length === 0 && !proof.includes("not yet")).map(({ id }) => id),
  ).toEqual([]);
  // Tags, values that may be served stale, and loads across nodes.
  const later = rows.filter(({ proof }) => proof.includes("not yet")).map(({ id }) => id);
  expect(later).toEqual(["8", "9", "10", "12", "13", "14"]);
});

it("every test that a line names exists", () => {
  const known = allTestNames();
  expect(
    rows.flatMap(({ id, proof }) =>
      namedIn(proof)
        .filter((name) => !known.has(name))
        .map((name) => `${id}: ${name}`),
    ),
  ).toEqual([]);
});
