import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "@jest/globals";
import { run } from "../src/run.ts";
import { root } from "../src/tarball.ts";

let work = "";

// A copy without code: changesets reads manifests, its configuration and the git history only.
beforeEach(async () => {
  work = mkdtempSync(join(tmpdir(), "warp-release-"));
  const isWanted = (path: string) => !/\/(node_modules|dist|src|test|\.turbo)$/.test(path);
  for (const name of ["package.json", "pnpm-workspace.yaml", "pnpm-lock.yaml", ".changeset", "packages"]) {
    cpSync(join(root, name), join(work, name), { recursive: true, filter: isWanted });
  }
  for (const name of readdirSync(join(work, ".changeset"))) {
    if (name.endsWith(".md")) rmSync(join(work, ".changeset", name));
  }
  for (const args of [
    ["init", "-q", "-b", "main"],
    ["add", "-A"],
    [...author, "commit", "-q", "-m", "Copy"],
  ]) {
    await run(work, "git", args);
  }
});
afterEach(() => rmSync(work, { recursive: true, force: true }));

const author = ["-c", "user.name=test", "-c", "user.email=test@localhost"];
const versionOf = (name: string, folder: string): string =>
  JSON.parse(readFileSync(join(folder, "packages", name, "package.json"), "utf8")).version;

it("a minor release of core releases no adapter with it", async () => {
  writeFileSync(join(work, ".changeset/one.md"), '---\n"@warp/core": minor\n---\n\nA new call.\n');
  await run(work, join(root, "node_modules/.bin/changeset"), ["version"]);
  const names = readdirSync(join(work, "packages"));
  const moved = names.filter((name) => versionOf(name, work) !== versionOf(name, root));
  expect(moved).toEqual(["core"]);
  expect(versionOf("core", work)).toBe(
    versionOf("core", root).replace(/\.(\d+)\.\d+$/, (_, n) => `.${Number(n) + 1}.0`),
  );
});
