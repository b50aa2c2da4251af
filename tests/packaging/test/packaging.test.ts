import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, jest } from "@jest/globals";
import { compile, evaluate, install } from "../src/consumer.ts";
import { run } from "../src/run.ts";
import { pack, publicNames, root, type Tarball } from "../src/tarball.ts";

jest.setTimeout(180_000);

const names = publicNames();
const work = mkdtempSync(join(tmpdir(), "warp-packaging-"));
let tarballs: Map<string, Tarball>;
const bin = (name: string) => join(root, "node_modules/.bin", name);

beforeAll(async () => {
  tarballs = await pack(names, work);
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

describe.each(names)("the tarball of %s", (name) => {
  it("holds the built code, a readme and the licence, and nothing else", () => {
    const { files } = tarballs.get(name)!;
    expect(files).toEqual(expect.arrayContaining(["README.md", "LICENSE", "package.json", "dist/index.js"]));
    const expected = /^(README\.md|LICENSE|CHANGELOG\.md|package\.json|dist\/[\w/-]+\.(js|d\.ts))$/;
    expect(files.filter((file) => !expected.test(file))).toEqual([]);
  });

  it("names no condition, folder or version that only the workspace has", () => {
    const { manifest } = tarballs.get(name)!;
    expect(JSON.stringify(manifest)).not.toMatch(/@warp\/source|workspace:|catalog:|\/src\//);
    expect(Object.keys((manifest.exports as { ".": object })["."]).at(-1)).toBe("default");
  });

  it("passes publint --strict", async () => {
    await run(work, bin("publint"), ["run", tarballs.get(name)!.path, "--strict"]);
  });

  it("passes attw --profile esm-only", async () => {
    await run(work, bin("attw"), [tarballs.get(name)!.path, "--profile", "esm-only"]);
  });
});

it("@warp/core alone brings no other package along", async () => {
  const project = join(work, "core-only");
  await install(project, [tarballs.get("@warp/core")!.path]);
  const installed = readdirSync(join(project, "node_modules")).filter((name) => !name.startsWith("."));
  expect(installed).toEqual(["@warp"]);
  expect(readdirSync(join(project, "node_modules/@warp"))).toEqual(["core"]);
});

describe("a project that installed every tarball", () => {
  const project = join(work, "consumer");
  // Type declarations of Node are the consumer's own; the other peers come with the tarballs.
  beforeAll(() => install(project, [...[...tarballs.values()].map(({ path }) => path), "@types/node@20"]));

  it("can import each package", async () => {
    const script = names.map((name) => `await import(${JSON.stringify(name)});`);
    await evaluate(project, "module", script.join("\n"));
  });

  it("can require each package", async () => {
    const script = names.map((name) => `require(${JSON.stringify(name)});`);
    await evaluate(project, "commonjs", script.join("\n"));
  });

  it.each(["nodenext", "bundler"] as const)("compiles against each package's declarations as %s", async (module) => {
    const imports = names.map((name, index) => `export * as p${index} from ${JSON.stringify(name)};`);
    await compile(project, imports.join("\n"), module);
  });
});
