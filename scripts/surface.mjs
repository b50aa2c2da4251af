// Compares what each public package exports with its committed surface.txt; `--write` records it anew.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { surfaceOf } from "./lib/surface.mjs";
import { publicPackages, root } from "./lib/workspace.mjs";

const write = process.argv.includes("--write");

/** The first line that differs, so that the message says where to look. */
function firstDifference(recorded, current) {
  const [before, after] = [recorded.split("\n"), current.split("\n")];
  const line = after.findIndex((text, index) => text !== before[index]);
  const at = line < 0 ? after.length : line;
  return `line ${at + 1}\n  recorded: ${before[at] ?? "(end)"}\n  now:      ${after[at] ?? "(end)"}`;
}

for (const { folder, name } of publicPackages()) {
  const file = join(folder, "surface.txt");
  const current = surfaceOf(join(folder, "dist", "index.d.ts"));
  const recorded = existsSync(file) ? readFileSync(file, "utf8") : "";
  if (write) writeFileSync(file, current);
  else if (current !== recorded) {
    process.exitCode = 1;
    console.error(
      `${name}: the public surface is not what ${relative(root, file)} records, ${firstDifference(recorded, current)}`,
    );
    console.error("If that is meant, run `npm run build && npm run surface` and add a changeset.");
  }
}
