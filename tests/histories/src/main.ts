// Checks histories in files of JSON lines: node dist/main.js FILE… [--html OUT].
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { checkHistory } from "./check.ts";
import { decodeHistory } from "./history-lines.ts";
import { countStaleReads } from "./stale-reads.ts";
import { timelinePage } from "./timeline.ts";

const { values, positionals } = parseArgs({ options: { html: { type: "string" } }, allowPositionals: true });
if (positionals.length === 0) throw new Error("which files? node dist/main.js FILE… [--html OUT]");
const history = decodeHistory(positionals.map((path) => readFileSync(path, "utf8")).join("\n"));
const { problems, operations, unknown } = checkHistory(history);
const { stale, reads } = countStaleReads(history.operations);
for (const problem of problems) process.stdout.write(`${problem}\n`);
process.stdout.write(
  `${operations} operations, ${unknown} unknown, ${problems.length} problems, ${stale} of ${reads} reads stale\n`,
);
if (values.html !== undefined) writeFileSync(values.html, timelinePage(positionals.join(", "), history.operations));
process.exitCode = problems.length === 0 ? 0 : 1;
