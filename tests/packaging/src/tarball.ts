import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "./run.ts";

/** The repository's root folder. */
export const root: string = join(dirname(fileURLToPath(import.meta.url)), "../../..");

interface Manifest {
  readonly name: string;
  readonly private?: boolean;
  readonly packageManager?: string;
  readonly exports?: unknown;
}

export interface Tarball {
  readonly path: string;
  /** As it is inside the tarball. */
  readonly manifest: Manifest;
  /** What it holds, relative to the package. */
  readonly files: readonly string[];
}

interface PackReport {
  readonly name: string;
  readonly filename: string;
}

const readManifest = (folder: string): Manifest => JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));

/** The names of the packages that are published. */
export function publicNames(): string[] {
  const manifests = readdirSync(join(root, "packages")).map((name) => readManifest(join(root, "packages", name)));
  return manifests.filter((manifest) => manifest.private !== true).map(({ name }) => name);
}

/** Packs built packages into `folder`, as a release does, and resolves them by name. */
export async function pack(names: readonly string[], folder: string): Promise<Map<string, Tarball>> {
  const filters = names.map((name) => `--filter=${name}`);
  const pnpm = ["--yes", readManifest(root).packageManager ?? "pnpm"];
  const printed = await run(root, "npx", [...pnpm, ...filters, "pack", "--json", "--pack-destination", folder]);
  const tarballs = new Map<string, Tarball>();
  for (const { name, filename: path } of JSON.parse(printed) as PackReport[]) {
    const manifest: Manifest = JSON.parse(await run(folder, "tar", ["-xzOf", path, "package/package.json"]));
    // pnpm's own list leaves out the licence that it copies from the workspace's root.
    const listing = await run(folder, "tar", ["-tzf", path]);
    const files = listing
      .trim()
      .split("\n")
      .map((file) => file.replace(/^package\//, ""));
    tarballs.set(name, { path, manifest, files });
  }
  return tarballs;
}
