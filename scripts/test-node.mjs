// `npm run test:node -- 22 24`: `npm test` on other major versions of Node, which npm's package `node` brings.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { run } from "./lib/run.mjs";
import { root } from "./lib/workspace.mjs";

const testTimeoutMs = 2 * 60 * 60_000;

async function testOn(major) {
  const folder = mkdtempSync(join(tmpdir(), `warp-node-${major}-`));
  try {
    const install = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", `node@${major}`];
    const { ok, output } = await run([...install, "--prefix", folder]);
    if (!ok) {
      console.error(output);
      return false;
    }
    const bin = join(folder, "node_modules", ".bin");
    const env = { PATH: `${bin}${delimiter}${process.env.PATH}` };
    const { output: version } = await run([join(bin, "node"), "--version"]);
    console.log(`Node ${version.trim()}`);
    const test = [join(bin, "node"), "scripts/test.mjs"];
    return (await run(test, { stream: true, env, timeoutMs: testTimeoutMs })).ok;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const majors = process.argv.slice(2);
const wrong = majors.filter((major) => !/^\d+$/.test(major));
if (majors.length === 0 || wrong.length > 0) {
  console.error(`Say which major versions of Node, as in: npm run test:node -- 22 24. ${wrong.join(", ")}`);
  process.exitCode = 1;
} else {
  process.chdir(root);
  const results = [];
  for (const major of majors) results.push({ major, ok: await testOn(major) });
  for (const { major, ok } of results) console.log(`Node ${major}: ${ok ? "passed" : "failed"}`);
  process.exitCode = results.every(({ ok }) => ok) ? 0 : 1;
}
