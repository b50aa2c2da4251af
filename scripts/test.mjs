// `npm test`: installs, builds, checks and tests everything. The last line adds up what the runners reported.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readReport, removeReports, reportName } from "./lib/reports.mjs";
import { run } from "./lib/run.mjs";
import { check, close, record } from "./lib/tally.mjs";
import { install, packages, pnpm, root, tool } from "./lib/workspace.mjs";

const testTimeoutMs = 60 * 60_000;

async function checks() {
  await check("format and lint", () => run(tool("biome", "check", "--error-on-warnings")));
  await check("unused code", () => run(tool("knip")));
  await check("public surface", () => run([process.execPath, "scripts/surface.mjs"]));
  await check("documentation comments", () => run(tool("typedoc")));
}

/** Prints a package's line as soon as its report is there; the ones without a test fail. */
async function tests() {
  const notes = mkdtempSync(join(tmpdir(), "warp-test-"));
  const serversLog = join(notes, "servers");
  writeFileSync(serversLog, "");
  const waiting = new Set(packages());
  removeReports(waiting);
  const startedAt = performance.now();
  let failures = 0;
  const collect = () => {
    for (const item of waiting) {
      const report = readReport(item);
      if (report === undefined) continue;
      waiting.delete(item);
      const empty = report.passed + report.failed === 0;
      failures += empty ? 1 : report.failed;
      record(item.name, empty ? { failed: 1 } : report, startedAt, empty ? `${item.name} ran no test` : "");
    }
  };
  const poll = setInterval(collect, 500);
  const options = ["--continue", "--concurrency=1", "--output-logs=errors-only", "--log-order=grouped"];
  const turbo = [...pnpm, "exec", "turbo", "run", "test", ...options, "--", "--json", `--outputFile=${reportName}`];
  const { ok, output } = await run(turbo, { timeoutMs: testTimeoutMs, env: { WARP_TEST_SERVERS_LOG: serversLog } });
  clearInterval(poll);
  collect();
  const servers = new Set(readFileSync(serversLog, "utf8").split("\n").filter(Boolean));
  rmSync(notes, { recursive: true });
  console.log(`servers: ${[...servers].sort().join(", ")}`);
  failures += waiting.size;
  for (const item of waiting) record(item.name, { failed: 1 }, startedAt, `${item.name} left no report`);
  if (ok) return;
  console.log(output);
  // A package whose tests passed can still end badly, for example by not ending.
  if (failures === 0) record("test run", { failed: 1 }, startedAt);
}

process.chdir(root);
if (await check("install", () => run(install))) {
  if (await check("build and types", () => run(tool("tsc", "-b")))) {
    await checks();
    await tests();
  }
}
close();
