import { existsSync, readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "@jest/globals";

const root = fileURLToPath(new URL("..", import.meta.url));
const read = (path: string) => readFileSync(root + path, "utf8");
const packageReadmes = readdirSync(`${root}packages`).map((name) => `packages/${name}/README.md`);
const documents = [
  ...["README.md", "CONTRIBUTING.md", "SECURITY.md", "apps/atlas/README.md", "benchmarks/README.md"],
  ...packageReadmes,
  ...readdirSync(`${root}docs`, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
].filter((path) => existsSync(root + path));

/** A heading as it is linked to. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");

const anchorsOf = (text: string) => [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) => anchorOf(heading));

/** Links of a document that lead nowhere. */
function deadLinks(path: string, text: string): string[] {
  const prose = text.replaceAll(/```.*?```|`[^`\n]*`/gs, "");
  const links = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = ""]) => link);
  return links.filter((link) => {
    if (/^[a-z]+:/.test(link)) return false;
    const [file = "", anchor] = link.split("#");
    const target = posix.join(posix.dirname(path), file);
    if (file !== "" && !existsSync(root + target)) return true;
    return anchor !== undefined && !anchorsOf(file === "" ? text : read(target)).includes(anchor);
  });
}

it("a link to a file or heading that is not there is found, any other is not", () => {
  expect(deadLinks("docs/x.md", "[a](../README.md) [b](none.md) [c](https://example.com) `[d](e)`")).toEqual([
    "none.md",
  ]);
  expect(deadLinks("x.md", "## Two words\n[a](#two-words) [b](#three) [c](README.md#packages)")).toEqual(["#three"]);
});

it("no link between the documents is dead", () => {
  expect(documents.flatMap((path) => deadLinks(path, read(path)).map((link) => `${path}: ${link}`))).toEqual([]);
});

it("every package's README has the same headings and at most 120 lines", () => {
  const headings = ["Install", "Use", "Options", "Guarantees", "Failures", "Versions"];
  for (const path of packageReadmes) {
    const text = read(path);
    const found = [...text.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading ?? "");
    expect([path, found.filter((heading) => headings.includes(heading))]).toEqual([path, headings]);
    expect([path, text.trimEnd().split("\n").length <= 120]).toEqual([path, true]);
    expect(text).toMatch(new RegExp(`^# @warp/${path.split("/")[1]} — \\S`));
  }
});

it("docs/coming-from-go-warp.md has a line for everything that go-warp's API offers", () => {
  const offered =
    "New Register RegisterDynamicTTL SetQuorum Get GetOrSet Set Invalidate Warmup Txn CompareAndSwap Commit Unregister " +
    "GetAt PublishErrors WithMetrics WithCacheResiliency WithPublishTimeout GrantLease RevokeLease TTLOption " +
    "ErrNotFound ErrUnregistered ModeStrongLocal ModeEventualDistributed ModeStrongDistributed singleflight slog";
  const rows = read("docs/coming-from-go-warp.md")
    .split("\n")
    .filter((line) => line.startsWith("| "));
  expect(offered.split(" ").filter((name) => !rows.some((row) => new RegExp(`\\b${name}\\b`).test(row)))).toEqual([]);
});
