import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "@jest/globals";

const root = fileURLToPath(new URL("..", import.meta.url));
const git = (...args: string[]) => execFileSync("git", args, { cwd: root, encoding: "utf8", maxBuffer: 1 << 26 });
const files = git("ls-files", "-co", "--exclude-standard", "-z")
  .split("\0")
  .filter((file) => file !== "" && existsSync(`${root}/${file}`));

/** Files matching `name` that hold `pattern`. The words are put together here so that this file does not match itself. */
function holding(name: RegExp, pattern: RegExp): string[] {
  return files.filter((file) => name.test(file) && pattern.test(readFileSync(`${root}/${file}`, "utf8")));
}

it("no test replaces a module, is left out or is tried twice", () => {
  const calls = ["jest\\.(unstable_)?mock(Module)?", "jest\\.retryTimes", "(it|test|describe)\\.(skip|only|todo)"];
  expect(holding(/\.ts$/, new RegExp(`\\b(${calls.join("|")})\\(`))).toEqual([]);
});

it("no test file sleeps for a fixed time", () => {
  expect(holding(/\.test\.ts$/, /setTimeout\(\s*(resolve|done|r)\b|\bsleep\(\s*\d/)).toEqual([]);
});

it("no file silences the type checker or the linter without a reason", () => {
  expect(
    holding(/\.(ts|mjs)$/, new RegExp(["@ts-(ignore|nocheck)", "\\bas an" + "y\\b", "TO" + "DO\\b"].join("|"))),
  ).toEqual([]);
  expect(holding(/\.(ts|mjs)$/, /biome-ignore [\w/]+\s*$/m)).toEqual([]);
});

it("nothing names a package registry's host", () => {
  const hosts = [
    "npmjs\\.(org|com)",
    "yarnpkg\\.com",
    "pypi\\.org",
    "repo1?\\.maven",
    "deb\\.debian\\.org",
    "crates\\.io",
  ];
  expect(holding(/^(?!tests\/house\.test\.ts$)/, new RegExp(hosts.join("|")))).toEqual([]);
});

it("a commit says what it does in one line of at most 80 characters without a full stop", () => {
  const subjects = git("log", "--format=%s").trim().split("\n");
  expect(subjects.filter((subject) => !/^(?:[A-Z].{2,78}[^.]|Merge .*)$/.test(subject))).toEqual([]);
});

it("core depends on no package", () => {
  const { dependencies, peerDependencies, devDependencies } = JSON.parse(
    readFileSync(`${root}/packages/core/package.json`, "utf8"),
  );
  expect([dependencies, peerDependencies]).toEqual([undefined, undefined]);
  expect(Object.keys(devDependencies).filter((name) => name.startsWith("@warp/"))).toEqual([]);
});
