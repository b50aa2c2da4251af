import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:net";
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

const supervisor = fileURLToPath(new URL("../bin/supervise.sh", import.meta.url));

/** A server that ends with this process, however this process ends. */
export interface Supervised {
  /** What it has printed so far. */
  output(): string;
  readonly exited: Promise<void>;
  /** Stops the server and removes its folder; resolves once both are gone. */
  stop(): Promise<void>;
}

/** Starts `command`; `folder` is removed when it has ended. */
export const supervise = (folder: string, command: readonly string[]): Supervised => {
  const child: ChildProcess = spawn("sh", [supervisor, folder, ...command], { stdio: ["pipe", "pipe", "pipe"] });
  let output = "";
  const collect = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-20_000);
  };
  child.stdout?.on("data", collect);
  child.stderr?.on("data", collect);
  const exited = new Promise<void>((resolve) => child.on("close", () => resolve()));
  const stop = (): Promise<void> => {
    child.stdin?.end();
    return exited;
  };
  return { output: () => output, exited, stop };
};
