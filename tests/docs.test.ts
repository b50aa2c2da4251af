import { execFile } from "node:child_process";
import { basename } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "@jest/globals";
import { compileSnippets, extractSnippets, snippetsOf } from "./docs-snippets.ts";

const snippets = extractSnippets();
const errors = compileSnippets(snippets);
const runnable = snippets.filter(({ runs }) => runs);

it("a fence in TypeScript is found with its line and mark, a fragment and another language are not", () => {
  const text = "# Title\n```ts\na();\n```\n```ts run\nb();\n```\n```ts ignore\n...\n```\n```sh\nls\n```\n";
  expect(snippetsOf("x.md", text)).toEqual([
    { line: 2, mark: "", code: "a();\n" },
    { line: 5, mark: "run", code: "b();\n" },
  ]);
  expect(() => snippetsOf("x.md", "```ts skip\n```\n")).toThrow('x.md:1 has the unknown mark "skip"');
});

it("every snippet of the documents compiles against the built packages", () => {
  const found = snippets.map(({ name, file }) => [name, errors.get(basename(file)) ?? []] as const);
  expect(found.filter(([, messages]) => messages.length > 0)).toEqual([]);
});

describe("snippets that are marked as runnable", () => {
  it("are part of the documents", () => expect(runnable).not.toEqual([]));

  for (const { name, file } of runnable) {
    it(`${name} runs to its end`, async () => {
      await promisify(execFile)(process.execPath, [file.replace(/\.ts$/, ".js")], { timeout: 60_000 });
    });
  }
});
