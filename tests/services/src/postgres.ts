import { chown, mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { findPostgres } from "./find-postgres.ts";
import { freePort, run, type Supervised, supervise } from "./processes.ts";

/** A server for tests. */
export interface RunningService {
  readonly url: string;
  /** Stops it and removes its data; does nothing to a server that was given by URL. */
  stop(): Promise<void>;
}

const startsWithinMs = 30_000;

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

/** Whether the server whose data these are takes connections. Nobody else's server can be taken for it. */
const isUp = async (data: string): Promise<boolean> =>
  /^ready\s*$/m.test(await readFile(join(data, "postmaster.pid"), "utf8").catch(() => ""));

/** @returns Whether the server came up; `false` if it ended, as it does when somebody took its port first. */
const cameUp = async (data: string, server: Supervised): Promise<boolean> => {
  let ended = false;
  void server.exited.then(() => {
    ended = true;
  });
  for (const deadline = performance.now() + startsWithinMs; performance.now() < deadline && !ended; await sleep(10))
    if (await isUp(data)) return true;
  await server.stop();
  return false;
};

const settings = [
  "unix_socket_directories=",
  "listen_addresses=127.0.0.1",
  "max_connections=100",
  // The data lives as long as the tests do.
  "fsync=off",
  "synchronous_commit=off",
  "full_page_writes=off",
];

/** An empty database cluster in a new folder. */
const createData = async (bin: string, as: readonly string[], user: Ids | undefined): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), "warp-postgres-"));
  if (user !== undefined) await chown(folder, user.uid, user.gid);
  const initdb = [join(bin, "initdb"), "-D", join(folder, "data"), "-U", "postgres", "-A", "trust", "--no-sync"];
  const [command, ...args] = [...as, ...initdb, "-E", "UTF8", "--locale=C"];
  await run(command as string, args);
  return folder;
};

/**
 * A PostgreSQL server of one's own: the one of `WARP_TEST_POSTGRES_URL` if that is set, else a new one on a free port
 * with its data in a temporary folder. It ends with this process, also when this process is killed.
 * @throws If this machine has none and cannot install one.
 */
export const startPostgres = async (): Promise<RunningService> => {
  const given = process.env.WARP_TEST_POSTGRES_URL;
  if (given !== undefined && given !== "") return { url: given, stop: async () => {} };
  const bin = await findPostgres();
  const user = await demotion();
  const as = user === undefined ? [] : ["setpriv", `--reuid=${user.uid}`, `--regid=${user.gid}`, "--clear-groups"];
  // As root, the server also dies if its supervisor is killed.
  const tied = user === undefined ? [] : [...as, "--pdeathsig", "INT"];
  let output = "";
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const folder = await createData(bin, as, user);
    const port = await freePort();
    const data = join(folder, "data");
    const options = settings.flatMap((setting) => ["-c", setting]);
    const server = supervise(folder, [...tied, join(bin, "postgres"), "-D", data, "-p", String(port), ...options]);
    if (await cameUp(data, server))
      return { url: `postgres://postgres@127.0.0.1:${port}/postgres`, stop: () => server.stop() };
    output = server.output();
  }
  throw new Error(`PostgreSQL did not come up:\n${output}`);
};
