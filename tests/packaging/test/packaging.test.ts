import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, jest } from "@jest/globals";
import { compile, evaluate, install } from "../src/consumer.ts";
import { run } from "../src/run.ts";
import { pack, publicFolders, root, type Tarball } from "../src/tarball.ts";

jest.setTimeout(180_000);

const folders = publicFolders();
const work = mkdtempSync(join(tmpdir(), "warp-packaging-"));
const tarballs: Tarball[] = [];
const bin = (name: string) => join(root, "node_modules/.bin", name);
const tarballOf = (folder: string) => tarballs[folders.indexOf(folder)]!;

beforeAll(async () => {
  for (const folder of folders) tarballs.push(await pack(folder, work));
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

describe.each(folders.map((folder) => [folder.slice(root.length + 1), folder]))(
  "the tarball of %s",
  (_name, folder) => {
    it("holds the built code, a readme and the licence, and nothing else", () => {
      const { files } = tarballOf(folder);
      expect(files).toEqual(expect.arrayContaining(["README.md", "LICENSE", "package.json", "dist/index.js"]));
      const expected = /^(README\.md|LICENSE|CHANGELOG\.md|package\.json|dist\/[\w/-]+\.(js|d\.ts))$/;
      expect(files.filter((file) => !expected.test(file))).toEqual([]);
    });

    it("names no condition, folder or version that only the workspace has", () => {
      const { manifest } = tarballOf(folder);
      expect(JSON.stringify(manifest)).not.toMatch(/@warp\/source|workspace:|catalog:|\/src\//);
      expect(Object.keys((manifest.exports as { ".": object })["."]).at(-1)).toBe("default");
    });

    it("passes publint --strict", async () => {
      await run(work, bin("publint"), ["run", tarballOf(folder).path, "--strict"]);
    });

    it("passes attw --profile esm-only", async () => {
      await run(work, bin("attw"), [tarballOf(folder).path, "--profile", "esm-only"]);
    });
  },
);

it("@warp/core alone brings no other package along", async () => {
  const project = join(work, "core-only");
  await install(project, [tarballs.find(({ name }) => name === "@warp/core")!.path]);
  const installed = readdirSync(join(project, "node_modules")).filter((name) => !name.startsWith("."));
  expect(installed).toEqual(["@warp"]);
  expect(readdirSync(join(project, "node_modules/@warp"))).toEqual(["core"]);
});

describe("a project that installed every tarball", () => {
  const project = join(work, "consumer");
  const names = () => tarballs.map(({ name }) => name);
  // Type declarations of Node are the consumer's own; the other peers come with the tarballs.
  beforeAll(() => install(project, [...tarballs.map(({ path }) => path), "@types/node@20"]));

  it("can import each package", async () => {
    const script = names().map((name) => `await import(${JSON.stringify(name)});`);
    await evaluate(project, "module", script.join("\n"));
  });

  it("can require each package", async () => {
    const script = names().map((name) => `require(${JSON.stringify(name)});`);
    await evaluate(project, "commonjs", script.join("\n"));
  });

  it.each(["nodenext", "bundler"] as const)("compiles against each package's declarations as %s", async (module) => {
    const imports = names().map((name, index) => `export * as p${index} from ${JSON.stringify(name)};`);
    await compile(project, imports.join("\n"), module);
  });
});
