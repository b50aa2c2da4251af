import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The version of an installed package, whatever its `exports` hide. */
const versionOf = (name: string): string => {
  for (let folder = dirname(fileURLToPath(import.meta.resolve(name))); ; folder = dirname(folder)) {
    const file = join(folder, "package.json");
    if (existsSync(file)) {
      const { name: found, version } = JSON.parse(readFileSync(file, "utf8")) as { name?: string; version?: string };
      if (found === name && version !== undefined) return version;
    }
    if (folder === dirname(folder)) throw new Error(`no package.json of ${name}`);
  }
};

const packages = [
  "@warp/core",
  "lru-cache",
  "bentocache",
  "cacheable",
  "cache-manager",
  "@epic-web/cachified",
  "async-cache-dedupe",
  "ioredis",
  "nats",
  "pg",
] as const;

/** What was measured, by package name. */
export const versions = (): ReadonlyMap<string, string> => new Map(packages.map((name) => [name, versionOf(name)]));
