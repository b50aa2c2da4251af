import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "./run.ts";

export const root: string = join(dirname(fileURLToPath(import.meta.url)), "../../..");

export interface Manifest {
  readonly name: string;
  readonly private?: boolean;
  readonly packageManager?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly exports?: unknown;
}

export interface Tarball {
  /** The package's name. */
  readonly name: string;
  readonly path: string;
  readonly manifest: Manifest;
  /** What it holds, relative to the package. */
  readonly files: readonly string[];
}

const readManifest = (folder: string): Manifest => JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));

/** The folders of the packages that are published. */
export function publicFolders(): string[] {
  const folders = readdirSync(join(root, "packages")).map((name) => join(root, "packages", name));
  return folders.filter((folder) => readManifest(folder).private !== true);
}

/** Packs a built package into `destination`, as a release does. */
export async function pack(folder: string, destination: string): Promise<Tarball> {
  const pnpm = ["--yes", readManifest(root).packageManager ?? "pnpm"];
  const packed = JSON.parse(await run(folder, "npx", [...pnpm, "pack", "--json", "--pack-destination", destination]));
  const path = join(destination, basename(packed.filename));
  const manifest = JSON.parse(await run(destination, "tar", ["-xzOf", path, "package/package.json"]));
  const listing = await run(destination, "tar", ["-tzf", path]);
  const files = listing
    .trim()
    .split("\n")
    .map((file) => file.replace(/^package\//, ""));
  return { name: manifest.name, path, manifest, files };
}
