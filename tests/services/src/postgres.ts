import { chown, readFile } from "node:fs/promises";
import { join } from "node:path";
import { cameAbout, freezeProcess, run } from "./processes.ts";
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

/** Whether there was such a process to send it to. */
const send = (pid: number, signal: NodeJS.Signals | 0): boolean => {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
};

const childrenOf = async (pid: number): Promise<readonly number[]> => {
  const lines = (await run("ps", ["-A", "-o", "pid=,ppid="])).trim().split("\n");
  const pairs = lines.map((line) => line.trim().split(/\s+/).map(Number));
  return pairs.filter(([, parent]) => parent === pid).map(([child = 0]) => child);
};

/** Each connection has a process of its own: a signal to the server alone would leave them at work. */
const asOne = (server: Server): Server => {
  const signalAll = async (signal: NodeJS.Signals): Promise<void> => {
    const pid = await server.pid();
    // First the one that would start others.
    send(pid, signal);
    for (const child of await childrenOf(pid)) send(child, signal);
  };
  const kill = async (): Promise<void> => {
    const pid = await server.pid();
    // It starts no others while those that there are are ended.
    send(pid, "SIGSTOP");
    const children = await childrenOf(pid);
    for (const child of children) send(child, "SIGKILL");
    await server.kill();
    // Until they are gone the next server finds its memory in use.
    await cameAbout(() => !children.some((child) => send(child, 0)), 5_000);
  };
  return {
    ...server,
    kill,
    restart: async () => {
      await kill();
      await server.restart();
    },
    freeze: async () => {
      await server.freeze();
      // One that has ended is not waited for.
      for (const child of await childrenOf(await server.pid())) if (send(child, "SIGSTOP")) await freezeProcess(child);
    },
    thaw: () => signalAll("SIGCONT"),
    stop: async () => {
      await signalAll("SIGCONT");
      await server.stop();
    },
  };
};

const settings = ["unix_socket_directories=", "listen_addresses=127.0.0.1", "max_connections=100"];
/** What was acknowledged outlives the server, which tests kill, but not the machine. */
const hasty = ["fsync=off", "full_page_writes=off"];

/**
 * A PostgreSQL server of one's own.
 * @param durable Whether a commit waits for the disk, as the server's defaults have it. Default: no, which saves the
 *   tests much of their time.
 * @throws If this machine has none and cannot install one.
 */
export const startPostgres = async ({ durable = false }: { readonly durable?: boolean } = {}): Promise<Server> => {
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
  const server = await startServer({
    name: "PostgreSQL",
    prepare: async ({ folder }) => {
      if (user !== undefined) await chown(folder, user.uid, user.gid);
      const initdb = [join(bin, "initdb"), "-D", join(folder, "data"), "-U", "postgres", "-A", "trust", "--no-sync"];
      const [command, ...args] = [...as, ...initdb, "-E", "UTF8", "--locale=C"];
      await run(command as string, args);
    },
    command: ({ folder, ports: [port] }) => [
      ...[...tied, join(bin, "postgres"), "-D", join(folder, "data"), "-p", String(port)],
      ...[...settings, ...(durable ? [] : hasty)].flatMap((setting) => ["-c", setting]),
    ],
    isUp,
    url: ({ ports: [port] }) => `postgres://postgres@127.0.0.1:${port}/postgres`,
  });
  return asOne(server);
};
