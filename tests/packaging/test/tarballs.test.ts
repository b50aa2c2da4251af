import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, jest } from "@jest/globals";
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
