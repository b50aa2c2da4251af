import { access, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { run } from "./processes.ts";

/** What a server needs on this machine, and how to get it. */
export interface Programs {
  /** For people: "PostgreSQL". */
  readonly server: string;
  /** All of these, in one folder. */
  readonly names: readonly string[];
  /** Debian's packages that bring them. */
  readonly packages: readonly string[];
  /** Looked into beside the PATH, nearest first; a last part `*` stands for each folder there, newest version first. */
  readonly folders?: readonly string[];
  /** How else a person gets it: "macOS: brew install redis". */
  readonly elsewhere?: string;
  /** The environment variable that names a running server instead, and the shape of its value. */
  readonly variable: string;
  readonly example: string;
}

/** This machine can neither find nor fetch a server. One that is there and does not work is another matter. */
export class ServerMissing extends Error {}

export const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** `/usr/lib/postgresql/* /bin` without the blank: each version's folder, newest first. */
const expand = async (folder: string): Promise<readonly string[]> => {
  const [root, rest, ...more] = folder.split("*");
  if (root === undefined || rest === undefined || more.length > 0) return [folder];
  const versions = await readdir(root).catch(() => []);
  return versions.sort((a, b) => Number(b) - Number(a)).map((version) => join(root, version, rest));
};

const installed = async ({ names, folders = [] }: Programs): Promise<string | undefined> => {
  const expanded = (await Promise.all(folders.map(expand))).flat();
  for (const folder of [...(process.env.PATH ?? "").split(delimiter), ...expanded]) {
    if (folder === "") continue;
    const present = await Promise.all(names.map((name) => exists(join(folder, name))));
    if (present.every((there) => there)) return folder;
  }
  return undefined;
};

const missing = (programs: Programs, cause?: unknown): ServerMissing => {
  const { server, names, packages, folders = [], elsewhere, variable, example } = programs;
  const places = ["PATH", ...folders].join(", ");
  const others = elsewhere === undefined ? "" : `; ${elsewhere}`;
  return new ServerMissing(
    `These tests need ${server}, and ${names.join(", ")} was not found in ${places}. Either install it (Debian, ` +
      `Ubuntu: apt-get install ${packages.join(" ")}${others}), or start one yourself and set ${variable}=${example}.`,
    { cause },
  );
};

/** Runs a shell command as the only test process that does so: test files run side by side. */
export const runAlone = (lock: string, command: string): Promise<string> =>
  run("flock", [join(tmpdir(), `warp-tests-${lock}.lock`), "sh", "-c", command]);

/**
 * The folder with a server's programs; installs them where this process may (root on Debian or its kin).
 * @throws If there are none, saying how to get them.
 */
export const findPrograms = async (programs: Programs): Promise<string> => {
  const found = await installed(programs);
  if (found !== undefined) return found;
  if (process.getuid?.() !== 0 || !(await exists("/usr/bin/apt-get"))) throw missing(programs);
  const packages = programs.packages.join(" ");
  // Those who waited for the lock find it done.
  const done = `dpkg -s ${packages} >/dev/null 2>&1`;
  const install = "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends";
  try {
    await runAlone("apt", `${done} || (${install} ${packages})`);
  } catch (error) {
    throw missing(programs, error);
  }
  const folder = await installed(programs);
  if (folder === undefined) throw missing(programs);
  return folder;
};
