import { chown, readFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "./processes.ts";
import { findPrograms } from "./programs.ts";
import { type Place, type Server, startServer } from "./server.ts";

interface Ids {
  readonly uid: number;
  readonly gid: number;
}

/** PostgreSQL refuses to run as root: then its own user runs it. */
const demotion = async (): Promise<Ids | undefined> => {
  if (process.getuid?.() !== 0) return undefined;
  const [uid, gid] = await Promise.all([run("id", ["-u", "postgres"]), run("id", ["-g", "postgres"])]);
  return { uid: Number(uid), gid: Number(gid) };
};

/** Whether that very server takes connections: neither somebody else's on its port, nor its own killed predecessor. */
const isUp = async ({ folder }: Place, pid: number): Promise<boolean> => {
  const status = await readFile(join(folder, "data", "postmaster.pid"), "utf8").catch(() => "");
  return status.startsWith(`${pid}\n`) && /^ready\s*$/m.test(status);
};

const settings = [
  "unix_socket_directories=",
  "listen_addresses=127.0.0.1",
  "max_connections=100",
  // The data lives as long as the tests do.
  "fsync=off",
  "synchronous_commit=off",
  "full_page_writes=off",
].flatMap((setting) => ["-c", setting]);

/** A PostgreSQL server of one's own. @throws If this machine has none and cannot install one. */
export const startPostgres = async (): Promise<Server> => {
  const bin = await findPrograms({
    server: "PostgreSQL",
    names: ["initdb", "postgres"],
    packages: ["postgresql"],
    // Debian keeps each major version in a folder of its own, off the PATH.
    folders: ["/usr/lib/postgresql/*/bin", "/usr/local/pgsql/bin"],
    elsewhere: "macOS: brew install postgresql",
    variable: "WARP_TEST_POSTGRES_URL",
    example: "postgres://user:password@host:port/database",
  });
  const user = await demotion();
  const as = user === undefined ? [] : ["setpriv", `--reuid=${user.uid}`, `--regid=${user.gid}`, "--clear-groups"];
  // As root, the server also dies if its supervisor is killed.
  const tied = user === undefined ? [] : [...as, "--pdeathsig", "INT"];
  return startServer({
    name: "PostgreSQL",
    prepare: async ({ folder }) => {
      if (user !== undefined) await chown(folder, user.uid, user.gid);
      const initdb = [join(bin, "initdb"), "-D", join(folder, "data"), "-U", "postgres", "-A", "trust", "--no-sync"];
      const [command, ...args] = [...as, ...initdb, "-E", "UTF8", "--locale=C"];
      await run(command as string, args);
    },
    command: ({ folder, ports: [port] }) => [
      ...[...tied, join(bin, "postgres"), "-D", join(folder, "data"), "-p", String(port)],
      ...settings,
    ],
    isUp,
    url: ({ ports: [port] }) => `postgres://postgres@127.0.0.1:${port}/postgres`,
  });
};
