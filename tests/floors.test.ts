import { readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { expect, it } from "@jest/globals";

const floors =
  "errors.ts values ports memory|wire|ttl mechanisms paths options.ts|port-options.ts|register-options.ts|call-options.ts|registry.ts|typed-transaction.ts|inspect.ts|compose.ts|status.ts|provide-metrics.ts|node-watch.ts|registrations.ts|node.ts warp.ts index.ts".split(
    " ",
  );
const floorOf = (file: string) => floors.findIndex((names) => names.split("|").includes(file.split("/")[0] ?? ""));

/** Imports that go up, or to or from a file that has no floor. */
function upwardImports(file: string, text: string): string[] {
  const specifiers = [...text.matchAll(/(?:from|import)\s*\(?\s*["'](\.[^"']+)["']/g)].map((match) => match[1] ?? "");
  const targets = specifiers.map((specifier) => posix.join(posix.dirname(file), specifier));
  if (floorOf(file) < 0) return [`${file} has no floor`];
  return targets.filter((to) => !(floorOf(to) >= 0 && floorOf(to) <= floorOf(file))).map((to) => `${file} -> ${to}`);
}

it("an import that goes up is found, one that goes down is not", () => {
  expect(upwardImports("paths/read.ts", 'import type { A } from "../warp.ts";')).toEqual(["paths/read.ts -> warp.ts"]);
  expect(upwardImports("ports/bus.ts", 'await import("../memory/bus.ts");')).toEqual(["ports/bus.ts -> memory/bus.ts"]);
  expect(upwardImports("utils.ts", "")).toEqual(["utils.ts has no floor"]);
  expect(upwardImports("paths/read.ts", 'import { a } from "./write.ts";\nimport "../errors.ts";')).toEqual([]);
});

it("imports of @warp/core go down only", () => {
  const src = new URL("../packages/core/src/", import.meta.url);
  const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
  expect(files.flatMap((file) => upwardImports(file, readFileSync(new URL(file, src), "utf8")))).toEqual([]);
});
