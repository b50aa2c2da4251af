import { type ChildProcess, spawn } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** Runs a command to its end. @returns What it printed. @throws With everything it printed, if it fails. */
export const run = (command: string, args: readonly string[]): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const collect = (chunk: Buffer): void => {
      output += chunk.toString();
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve(output);
      else reject(new Error(`${command} ${args.join(" ")} ended with ${code}:\n${output}`));
    });
  });

/** A port of the loopback interface that nobody listens on just now. */
export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });

/** Waits for a condition. @returns Whether it came about within the time. */
export const cameAbout = async (condition: () => Promise<boolean> | boolean, withinMs: number): Promise<boolean> => {
  for (const deadline = performance.now() + withinMs; performance.now() < deadline; await sleep(10))
    if (await condition()) return true;
  return false;
};

/** By the kernel's word; a thread that has ended meanwhile stands still. */
const standsStill = async (pid: number, thread: string): Promise<boolean> => {
  const stat = await readFile(`/proc/${pid}/task/${thread}/stat`, "utf8").catch(() => "");
  // Behind the name, which may hold anything: the state.
  return stat === "" || /^[TtZX]/.test(stat.slice(stat.lastIndexOf(")") + 2));
};

/**
 * SIGSTOP; resolves once every thread stands still, which is a while after the signal was sent. Where the kernel does
 * not show threads (macOS), at once.
 */
export const freezeProcess = async (pid: number): Promise<void> => {
  process.kill(pid, "SIGSTOP");
  const allStand = async (): Promise<boolean> => {
    const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
    const each = await Promise.all(threads.map((thread) => standsStill(pid, thread)));
    return each.every((stands) => stands);
  };
  if (!(await cameAbout(allStand, freezesWithinMs))) throw new Error(`process ${pid} did not stop at SIGSTOP`);
};

const supervisor = fileURLToPath(new URL("../bin/supervise.sh", import.meta.url));
const endsWithinMs = 20_000;
const freezesWithinMs = 10_000;

/** A process that ends with this one, however this one ends. */
export interface Supervised {
  /** What it has printed so far. */
  output(): string;
  readonly pid: Promise<number>;
  /** Resolves once it has ended, whoever ended it. */
  readonly exited: Promise<void>;
  /** Whether it has. */
  hasExited(): boolean;
  /** Ends it and removes its folder; resolves once both are gone. */
  stop(): Promise<void>;
  /** After it has ended: leaves the folder to the next process. */
  release(): Promise<void>;
}

const firstLine = (stream: Readable): Promise<number> =>
  new Promise((resolve, reject) => {
    let text = "";
    stream.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    stream.on("end", () => (text === "" ? reject(new Error("the supervisor did not start")) : resolve(Number(text))));
  });

/** Starts `command`; `folder` is removed when it is stopped, or when this process ends. */
export const supervise = (folder: string, command: readonly string[]): Supervised => {
  const child: ChildProcess = spawn("sh", [supervisor, folder, ...command], {
    stdio: ["pipe", "pipe", "pipe", "pipe"],
  });
  let output = "";
  let ended = false;
  const outputs = [child.stdout, child.stderr].map(
    (stream) =>
      new Promise<void>((resolve) => {
        stream?.on("data", (chunk: Buffer) => {
          output = (output + chunk.toString()).slice(-20_000);
        });
        stream?.on("end", () => resolve());
      }),
  );
  const exited = Promise.all(outputs).then(() => {
    ended = true;
  });
  const gone = new Promise<void>((resolve) => child.on("close", () => resolve()));
  const pid = firstLine(child.stdio[3] as Readable);
  // Whoever asks is told; nobody need ask.
  pid.catch(() => {});
  const stop = async (): Promise<void> => {
    child.stdin?.end();
    if (!(await cameAbout(() => ended, endsWithinMs))) process.kill(await pid, "SIGKILL");
    await gone;
  };
  const release = async (): Promise<void> => {
    child.stdin?.end("released\n");
    await gone;
  };
  return { output: () => output, pid, exited, hasExited: () => ended, stop, release };
};
