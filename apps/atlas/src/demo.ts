import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runAtlas } from "./atlas.ts";
import { ConfigurationError, configOf, type Platform } from "./config.ts";
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

/** A platform on which nobody has run this before: a folder of its own, or on servers a cluster of its own. */
const platformOf = (options: AtlasOptions): Platform => {
  const { platform } = configOf(process.env);
  const cluster = process.env.CLUSTER ? platform.cluster : `demo_${randomBytes(6).toString("hex")}`;
  if (platform.store.kind !== "pglite") {
    if (options.folder === undefined) return { ...platform, cluster };
    throw new ConfigurationError([`--folder is for STORE=pglite, and STORE is "${platform.store.kind}"`]);
  }
  const folder = options.folder === undefined ? temporaryFolder() : emptyFolder(options.folder);
  return { ...platform, cluster, store: { kind: "pglite", folder } };
};

const kibibytesPerMegabyte = 1e6 / 1_024;

const main = async (options: AtlasOptions): Promise<number> => {
  const checks = await runAtlas(platformOf(options), options, process.stdout);
  const failed = checks.filter(({ passed }) => !passed).length;
  const peakMegabytes = Math.round(process.resourceUsage().maxRSS / kibibytesPerMegabyte);
  console.log(
    `\n${checks.length - failed} checks passed, ${failed} failed; ${duration(performance.now())}, at most ${grouped(peakMegabytes)} MB of memory`,
  );
  return failed === 0 ? 0 : 1;
};

// The folder is removed when the process exits, which a signal alone does not make it do.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

const readOptions = (): AtlasOptions | undefined => {
  try {
    const options = optionsOf(process.argv.slice(2));
    if (options !== "help") return options;
    console.log(usage);
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`);
    process.exitCode = 1;
  }
  return undefined;
};

const options = readOptions();
if (options !== undefined) {
  try {
    process.exitCode = await main(options);
  } catch (error) {
    console.error(error instanceof ConfigurationError ? error.message : error);
    process.exitCode = 1;
  }
}
