import { readFileSync } from "node:fs";
import { expect, it } from "@jest/globals";
import { metricDefinitions } from "@warp/core";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");

it("the README lists every metric with its kind, unit and labels, and no other", () => {
  const rows = metricDefinitions.map(({ name, kind, unit, help, labels }) => {
    const described = Object.entries(labels).map(([label, values]) => `\`${label}\`: ${values}`);
    return `| \`${name}\` | ${kind} | ${unit} | ${described.join("; ")} | ${help} |`;
  });
  const table = readme.split("\n").filter((line) => line.startsWith("| `warp_core_"));
  expect(table).toEqual(rows);
});

it("the README stays short", () => {
  expect(readme.split("\n").length).toBeLessThanOrEqual(120);
});
