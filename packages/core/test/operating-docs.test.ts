import { readFileSync } from "node:fs";
import { expect, it } from "@jest/globals";
import { metricDefinitions, warpErrorCodes } from "../src/index.ts";

const read = (name: string): string => readFileSync(new URL(`../../../docs/${name}`, import.meta.url), "utf8");

it("docs/errors.md says of every code, in order, what it means, whether to retry, and what the store holds", () => {
  const rows = [...read("errors.md").matchAll(/^\| `([A-Z_]+)` \|(.+)\|$/gm)];
  expect(rows.map(([, code]) => code)).toEqual([...warpErrorCodes]);
  for (const [, code, cells = ""] of rows) {
    const filled = cells.split("|").map((cell) => cell.trim() !== "");
    expect([code, ...filled]).toEqual([code, true, true, true]);
  }
});

it("docs/operations.md speaks only of metrics and labels that exist", () => {
  const text = read("operations.md");
  const known = new Map(metricDefinitions.map(({ name, labels }) => [name, Object.keys(labels)]));
  const mentioned = [...text.matchAll(/(warp_core_\w+)(?:\{([^}]*)\})?/g)];
  expect(mentioned.length).toBeGreaterThan(10);
  for (const [, name = "", selector = ""] of mentioned) {
    const labels = [...selector.matchAll(/(\w+)=/g)].map(([, label]) => label);
    expect([name, labels.filter((label) => known.get(name)?.includes(label ?? "") === false)]).toEqual([name, []]);
    expect([...known.keys()]).toContain(name);
  }
});

it("docs/operations.md explains every reason of a gap and every refusal of a frame", () => {
  const text = read("operations.md");
  const reasons = metricDefinitions.find(({ name }) => name === "warp_core_bus_gaps_total")?.labels.reason ?? "";
  const explained = [...text.matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, reason]) => reason);
  for (const [, reason] of reasons.matchAll(/`([a-z-]+)`/g)) expect(explained).toContain(reason);
  for (const refusal of ["version", "malformed", "signature", "cluster", "node"]) expect(explained).toContain(refusal);
});
