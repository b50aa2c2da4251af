import { cpSync, existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { run } from "./run.mjs";
import { publicPackages, readJson, root, tool } from "./workspace.mjs";

async function must(command, cwd) {
  const { ok, output } = await run(command, { cwd });
  if (!ok) throw new Error(`${command.join(" ")}\n${output}`);
}

/** Copies into `folder` what a release reads, as a git repository: manifests, changelogs and changesets, no code. */
export async function copyForRelease(folder) {
  const isWanted = (path) => !/\/(node_modules|dist|src|test|\.turbo)$/.test(path);
  for (const name of ["package.json", "pnpm-workspace.yaml", "pnpm-lock.yaml", ".changeset", "packages"]) {
    cpSync(join(root, name), join(folder, name), { recursive: true, filter: isWanted });
  }
  const author = ["-c", "user.name=release", "-c", "user.email=release@localhost"];
  await must(["git", "init", "-q", "-b", "main"], folder);
  await must(["git", "add", "-A"], folder);
  await must(["git", ...author, "commit", "-q", "-m", "Copy"], folder);
}

/**
 * Does in such a copy what a release would.
 *
 * @returns {Promise<{ name: string, before: string, after: string, changelog: string }[]>} Of each published package
 *   its version before and after, and what its changelog gains.
 */
export async function releaseIn(folder) {
  await must(tool("changeset", "version"), folder);
  return publicPackages().map(({ name, folder: original, manifest }) => {
    const copy = join(folder, "packages", basename(original));
    const after = readJson(join(copy, "package.json")).version;
    const file = join(copy, "CHANGELOG.md");
    const [, section = ""] = existsSync(file) ? readFileSync(file, "utf8").split(/^## .*$/m) : [];
    // Of a copy, the commits that changesets names are made up.
    const changelog = section.trim().replaceAll(/^- [0-9a-f]{7,}: /gm, "- ");
    return { name, before: manifest.version, after, changelog: after === manifest.version ? "" : changelog };
  });
}
