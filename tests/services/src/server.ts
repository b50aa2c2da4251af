import { mkdtemp } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cameAbout, freePort, freezeProcess, type Supervised, supervise } from "./processes.ts";

/** A server that tests may talk to. */
export interface RunningService {
  readonly url: string;
  /** Stops it and removes its data; does nothing to a server that was given by URL. */
  stop(): Promise<void>;
}

/** A server of one's own, to be hurt. */
export interface Server extends RunningService {
  /** What it has printed since it was last started. */
  output(): string;
  pid(): Promise<number>;
  /** SIGKILL; resolves once it is dead. Its port and data stay its own. */
  kill(): Promise<void>;
  /** After `kill`, or in its place: starts it again, on the same port with the same data; resolves once it is up. */
  restart(): Promise<void>;
  /** SIGSTOP: connections stay open and nothing answers from when it resolves. */
  freeze(): Promise<void>;
  /** SIGCONT. */
  thaw(): Promise<void>;
}

/** Where a server is about to run. */
export interface Place {
  /** Its own temporary folder. */
  readonly folder: string;
  /** As many free ports of 127.0.0.1 as were asked for. */
  readonly ports: readonly number[];
}

/** How to start one kind of server. */
export interface ServerPlan {
  readonly name: string;
  /** Default 1. */
  readonly ports?: number;
  /** Makes its data, once. */
  prepare?(place: Place): Promise<void>;
  command(place: Place): readonly string[];
  /** Whether it answers, going by what it has printed too. By default: whether its first port takes connections. */
  isUp?(place: Place, pid: number, output: string): Promise<boolean>;
  /** Asked once it is up. */
  url(place: Place): string;
  /** Default 30 s. */
  readonly startsWithinMs?: number;
}

/** Whether somebody takes connections there. */
export const accepts = (port: number, host = "127.0.0.1"): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, host);
    socket.on("error", () => resolve(false));
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
  });

/** Somebody to supervise until there is the server. A shell's background jobs ignore SIGINT unless they say otherwise. */
const idle = [process.execPath, "-e", "process.on('SIGINT', () => process.exit()); setInterval(() => {}, 60_000)"];

/** Makes a server's data. The folder goes if that fails, and also if this process dies meanwhile. */
const prepare = async (plan: ServerPlan, place: Place): Promise<void> => {
  if (plan.prepare === undefined) return;
  const keeper = supervise(place.folder, idle);
  try {
    await plan.prepare(place);
  } catch (error) {
    await keeper.stop();
    throw error;
  }
  process.kill(await keeper.pid, "SIGKILL");
  await keeper.exited;
  await keeper.release();
};

const start = async (plan: ServerPlan, place: Place): Promise<{ process: Supervised; up: boolean }> => {
  const process = supervise(place.folder, plan.command(place));
  const pid = await process.pid;
  const isUp = plan.isUp ?? (({ ports: [port = 0] }: Place) => accepts(port));
  const answers = async (): Promise<boolean> => process.hasExited() || (await isUp(place, pid, process.output()));
  const up = (await cameAbout(answers, plan.startsWithinMs ?? 30_000)) && !process.hasExited();
  return { process, up };
};

const serverAt = (plan: ServerPlan, place: Place, first: Supervised): Server => {
  let process_ = first;
  const signal = async (name: NodeJS.Signals): Promise<void> => {
    process.kill(await process_.pid, name);
  };
  const kill = async (): Promise<void> => {
    if (!process_.hasExited()) await signal("SIGKILL");
    await process_.exited;
  };
  return {
    url: plan.url(place),
    output: () => process_.output(),
    pid: () => process_.pid,
    kill,
    restart: async () => {
      await kill();
      await process_.release();
      const again = await start(plan, place);
      process_ = again.process;
      if (!again.up) throw new Error(`${plan.name} did not come up again:\n${process_.output()}`);
    },
    freeze: async () => freezeProcess(await process_.pid),
    thaw: () => signal("SIGCONT"),
    stop: () => process_.stop(),
  };
};

/**
 * Starts a server on free ports with its data in a temporary folder. It ends with this process, also when this process
 * is killed.
 * @throws If it does not come up, with what it printed.
 */
export const startServer = async (plan: ServerPlan): Promise<Server> => {
  let output = "";
  // Somebody else may take a free port first.
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const folder = await mkdtemp(join(tmpdir(), `warp-${plan.name.toLowerCase()}-`));
    const ports = await Promise.all(Array.from({ length: plan.ports ?? 1 }, freePort));
    const place = { folder, ports };
    await prepare(plan, place);
    const { process, up } = await start(plan, place);
    if (up) return serverAt(plan, place, process);
    output = process.output();
    await process.stop();
  }
  throw new Error(`${plan.name} did not come up:\n${output}`);
};
