import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's root folder. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

export const readJson = (path) => JSON.parse(readFileSync(path, "utf8"));

/** The pinned pnpm as a command; `npx` fetches it where the machine has none. */
export const pnpm = ["npx", "--yes", readJson(join(root, "package.json")).packageManager];

/** Installs what the lockfile names; quick when that is already there. */
export const install = [...pnpm, "install", "--frozen-lockfile"];

/** A tool of the root's devDependencies as a command. */
export const tool = (name, ...args) => [join(root, "node_modules", ".bin", name), ...args];

/** Every package of the workspace: `{ folder, name, manifest }`. */
export function packages() {
  const groups = ["packages", "apps", "tests"];
  const nested = groups.flatMap((group) => readdirSync(join(root, group)).map((name) => join(root, group, name)));
  return [...nested, join(root, "tests"), join(root, "benchmarks")]
    .filter((folder) => existsSync(join(folder, "package.json")))
    .map((folder) => ({ folder, manifest: readJson(join(folder, "package.json")) }))
    .map(({ folder, manifest }) => ({ folder, name: manifest.name, manifest }));
}

/** The packages that are published. */
export const publicPackages = () => packages().filter(({ manifest }) => manifest.private !== true);
