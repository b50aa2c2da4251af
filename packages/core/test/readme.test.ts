import { readFileSync } from "node:fs";
import { afterAll, expect, it } from "@jest/globals";
import type { LoadOptions, SetOptions, WarpOptions } from "../src/index.ts";
import { type DynamicTtlOptions, type RegisterOptions, silentLogger, Warp } from "../src/index.ts";
import { failureOf } from "./support/outcomes.ts";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const warp = new Warp({ logger: silentLogger });
warp.register("k", { ttl: 1 });
afterAll(() => warp.close());

/** The names in the first column of the table that begins with this cell. */
const documented = (firstCell: string): readonly string[] => {
  const table = readme.slice(readme.indexOf(`| ${firstCell} |`)).split("\n\n")[0] ?? "";
  const names = table.split("\n").flatMap((row) => [...(row.split("|")[1] ?? "").matchAll(/`(\w+)`/g)]);
  return names.map(([, name]) => name as string);
};

/** What the refusal of an unknown option says there is. */
const accepted = (error: Error): readonly string[] => error.message.split("there are ")[1]?.split(", ") ?? [];

const refusal = (call: () => unknown): Promise<Error> => failureOf(Promise.resolve().then(call));
const nonsense = { nonsense: 1 } as object;

it("the README has a row for every option of the constructor", async () => {
  const known = accepted(await refusal(() => new Warp(nonsense)));
  expect(known).toContain("store" satisfies keyof WarpOptions);
  expect([...documented("`new Warp({ … })`")].sort()).toEqual([...known].sort());
});

it("the README has a row for every option of a registration", async () => {
  const fixed = accepted(await refusal(() => warp.register("x", nonsense as RegisterOptions)));
  expect(fixed).toContain("ttl" satisfies keyof RegisterOptions);
  expect([...documented("`register(pattern, { … })`")].sort()).toEqual([...fixed].sort());
  const dynamic = accepted(await refusal(() => warp.registerDynamicTtl("x", nonsense as DynamicTtlOptions)));
  expect(dynamic.filter((name) => !fixed.includes(name))).toEqual(["strategy"]);
  expect(readme).toContain("`strategy`");
});

it("the README has a row for every option of a call", async () => {
  const reads = accepted(await refusal(() => warp.getOrSet("k", () => 1, nonsense as LoadOptions)));
  const writes = accepted(await refusal(() => warp.set("k", 1, nonsense as SetOptions)));
  expect([...documented("option of a call")].sort()).toEqual([...new Set([...reads, ...writes])].sort());
});

it("the README names every deadline and its default", async () => {
  const row = readme.split("\n").find((line) => line.startsWith("| `deadlines` |")) ?? "";
  const known = accepted(await refusal(() => new Warp({ deadlines: nonsense })));
  expect([...(row.split("|")[2]?.matchAll(/`(\w+)`/g) ?? [])].map(([, name]) => name)).toEqual(known);
  expect(row).toContain("`cache` 250 ms, `store` 2 s, `bus` 2 s, `loader` 30 s, `quorum` 2 s");
});

it("the README names every public call", () => {
  const calls = Object.getOwnPropertyNames(Warp.prototype).filter((name) => name !== "constructor");
  const use = readme.slice(0, readme.indexOf("## Options"));
  expect(calls.filter((name) => !new RegExp(`[.\`]${name}[(\`]`).test(use))).toEqual([]);
  expect(calls).toContain("get" satisfies keyof Warp);
});
