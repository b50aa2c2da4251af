import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { programOf, tied } from "./programs.ts";

type Environment = Readonly<Record<string, string>>;

/** Waits for a condition. @throws If it has not come about after 100 s, which a busy machine may take to start PGlite. */
export const until = async (what: string, condition: () => boolean | Promise<boolean>): Promise<void> => {
  for (const deadline = performance.now() + 100_000; performance.now() < deadline; await sleep(20))
    if (await condition()) return;
  throw new Error(`${what}: not within 100 s`);
};

/** The service as a program of its own, as it was built. */
export class ServiceProcess {
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  readonly #child: ChildProcess;
  #printed = "";
  #ended = false;

  /** @param environment All that it has, beside PATH. It listens on a free port. */
  constructor(environment: Environment = {}, program: string = programOf("service")) {
    this.#child = spawn(process.execPath, ["--import", tied, program], {
      env: { PATH: process.env.PATH, PORT: "0", ...environment },
      stdio: ["pipe", "pipe", "pipe"],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.on("data", (chunk: Buffer) => {
        this.#printed += chunk.toString();
      });
    this.exited = new Promise((resolve) => {
      this.#child.on("close", (code, signal) => {
        this.#ended = true;
        resolve({ code, signal });
      });
    });
  }

  get printed(): string {
    return this.#printed;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  async prints(words: string): Promise<void> {
    await until(`"${words}"`, () => {
      if (this.#ended && !this.#printed.includes(words)) throw new Error(`the service ended:\n${this.#printed}`);
      return this.#printed.includes(words);
    });
  }

  /** Resolves to its URL once it listens. */
  async url(): Promise<string> {
    await this.prints("Server listening at ");
    return /Server listening at (http:\/\/[^"]+)/.exec(this.#printed)?.[1] as string;
  }

  /** SIGKILL, unless it has ended. */
  async kill(): Promise<void> {
    if (!this.#ended) this.#child.kill("SIGKILL");
    await this.exited;
  }
}
