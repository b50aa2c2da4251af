import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runAtlas } from "./atlas.ts";
import { duration, grouped } from "./format.ts";
import { type AtlasOptions, optionsOf, usage } from "./options.ts";

const temporaryFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "warp-atlas-"));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  process.on("exit", remove);
  return folder;
};

const emptyFolder = (folder: string): string => {
  mkdirSync(folder, { recursive: true });
  if (readdirSync(folder).length > 0) throw new Error(`--folder ${folder} is not empty`);
  return folder;
};

const kibibytesPerMegabyte = 1e6 / 1_024;

const main = async (options: AtlasOptions): Promise<number> => {
  const folder = options.folder === undefined ? temporaryFolder() : emptyFolder(options.folder);
  const checks = await runAtlas(folder, options, process.stdout);
  const failed = checks.filter(({ passed }) => !passed).length;
  const peakMegabytes = Math.round(process.resourceUsage().maxRSS / kibibytesPerMegabyte);
  console.log(
    `\n${checks.length - failed} checks passed, ${failed} failed; ${duration(performance.now())}, at most ${grouped(peakMegabytes)} MB of memory`,
  );
  return failed === 0 ? 0 : 1;
};

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

try {
  const options = optionsOf(process.argv.slice(2));
  if (options === "help") console.log(usage);
  else process.exitCode = await main(options);
} catch (error) {
  console.error(error);
  process.exitCode = 1;
}
