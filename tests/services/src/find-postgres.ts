import { access, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { run } from "./processes.ts";

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

const debianRoot = "/usr/lib/postgresql";

/** Debian keeps each major version in a folder of its own, off the PATH. Newest first. */
const debianFolders = async (): Promise<string[]> => {
  const versions = await readdir(debianRoot).catch(() => []);
  return versions.sort((a, b) => Number(b) - Number(a)).map((version) => join(debianRoot, version, "bin"));
};

/** The folder with `initdb` and `postgres`, if this machine has one. */
const installed = async (): Promise<string | undefined> => {
  const folders = [...(process.env.PATH ?? "").split(delimiter), ...(await debianFolders()), "/usr/local/pgsql/bin"];
  for (const folder of folders)
    if (folder !== "" && (await exists(join(folder, "initdb"))) && (await exists(join(folder, "postgres"))))
      return folder;
  return undefined;
};

const missing = (cause?: unknown): Error =>
  new Error(
    "These tests need a PostgreSQL server, and none was found on PATH or in /usr/lib/postgresql. Either install one " +
      "(Debian, Ubuntu: apt-get install postgresql; macOS: brew install postgresql), or start one yourself and set " +
      "WARP_TEST_POSTGRES_URL=postgres://user:password@host:port/database to it.",
    { cause },
  );

/**
 * The folder with PostgreSQL's programs; installs them where this process may (root on Debian or its kin).
 * @throws If there are none, saying how to get them.
 */
export const findPostgres = async (): Promise<string> => {
  const found = await installed();
  if (found !== undefined) return found;
  if (process.getuid?.() !== 0 || !(await exists("/usr/bin/apt-get"))) throw missing();
  const install = "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy postgresql";
  try {
    // Test files run side by side: one installs, the others wait for it and find it done.
    await run("flock", [
      join(tmpdir(), "warp-tests-apt.lock"),
      "sh",
      "-c",
      `ls ${debianRoot}/*/bin/initdb || (${install})`,
    ]);
  } catch (error) {
    throw missing(error);
  }
  const folder = await installed();
  if (folder === undefined) throw missing();
  return folder;
};
