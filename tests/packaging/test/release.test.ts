import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "@jest/globals";
import { copyForRelease, releaseIn } from "../../../scripts/lib/release.mjs";

let work = "";

beforeEach(async () => {
  work = mkdtempSync(join(tmpdir(), "warp-release-"));
  await copyForRelease(work);
});
afterEach(() => rmSync(work, { recursive: true, force: true }));

/** In place of the changesets that are waiting. */
const changeset = (text: string): void => {
  const folder = join(work, ".changeset");
  for (const name of readdirSync(folder)) if (name.endsWith(".md")) rmSync(join(folder, name));
  writeFileSync(join(folder, "one.md"), text);
};

it("a minor release of core releases no adapter with it", async () => {
  changeset('---\n"@warp/core": minor\n---\n\nA new call.\n');
  const releases = await releaseIn(work);
  const moved = releases.filter(({ before, after }) => before !== after);
  expect(moved.map(({ name }) => name)).toEqual(["@warp/core"]);
  const [{ before = "", after = "", changelog = "" } = {}] = moved;
  expect(after).toBe(before.replace(/\.(\d+)\.\d+$/, (_, n) => `.${Number(n) + 1}.0`));
  expect(changelog).toBe("### Minor Changes\n\n- A new call.");
});

it("a patch of one adapter leaves every other package at its version", async () => {
  changeset('---\n"@warp/store-pg": patch\n---\n\nA mended statement.\n');
  const moved = (await releaseIn(work)).filter(({ before, after }) => before !== after);
  expect(moved.map(({ name }) => name)).toEqual(["@warp/store-pg"]);
});

it("what is waiting can be released, and every released package says in its changelog what is new", async () => {
  const moved = (await releaseIn(work)).filter(({ before, after }) => before !== after);
  for (const { name, changelog } of moved) expect([name, changelog]).toEqual([name, expect.stringContaining("- ")]);
});
