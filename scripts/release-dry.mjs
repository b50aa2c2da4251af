// `npm run release:dry`: the versions and changelogs that the changesets would make. Changes nothing.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { copyForRelease, releaseIn } from "./lib/release.mjs";
import { run } from "./lib/run.mjs";
import { install, root } from "./lib/workspace.mjs";

process.chdir(root);
const { ok, output } = await run(install);
if (!ok) throw new Error(output);
const folder = mkdtempSync(join(tmpdir(), "warp-release-"));
try {
  await copyForRelease(folder);
  for (const { name, before, after, changelog } of await releaseIn(folder)) {
    console.log(before === after ? `${name} stays at ${before}\n` : `${name} ${before} -> ${after}\n\n${changelog}\n`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
