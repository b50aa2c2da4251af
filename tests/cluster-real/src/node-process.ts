import { type ChildProcess, fork } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { FromNode, NodeSettings, Operation, Outcome, Question, ToNode } from "./protocol.ts";

// Built: a child has no transpiler. From `src` (under Jest) and from `dist` it is the same file.
const builtWorker = fileURLToPath(new URL("../dist/worker.js", import.meta.url));
const setpriv = "/usr/bin/setpriv";

/** What a node is started with beside its settings. */
export interface NodeOptions {
  readonly onOutcomes: (outcomes: readonly Outcome[]) => void;
  readonly onTrouble: (what: string) => void;
  /** What it says of locks. */
  readonly onTold: (message: FromNode) => void;
  readonly exposeGc?: boolean;
  /** The program of another release in place of this one's. */
  readonly worker?: string | undefined;
}

const forkWorker = (settings: NodeSettings, { exposeGc = false, worker = builtWorker }: NodeOptions): ChildProcess => {
  const nodeArgs = exposeGc ? ["--expose-gc"] : [];
  if (!existsSync(worker)) throw new Error(`${worker} is not there: run npm run build at the root`);
  const tied = existsSync(setpriv);
  return fork(worker, [], {
    env: { ...process.env, WARP_TEST_NODE: JSON.stringify(settings) },
    // A node that was stopped by a signal could not see that its parent is gone: where it can, the kernel kills it then.
    execPath: tied ? setpriv : process.execPath,
    execArgv: tied ? ["--pdeathsig", "KILL", process.execPath, ...nodeArgs] : nodeArgs,
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
};

/** A node process, as its parent sees it. */
export class NodeProcess {
  readonly settings: NodeSettings;
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  readonly #asked = new Map<number, { resolve(answer: unknown): void; reject(error: Error): void }>();
  #questions = 0;
  #state: "running" | "stopped" | "dead" = "running";
  #printed = "";
  #killed = false;
  #ready = false;

  private constructor(settings: NodeSettings, child: ChildProcess, options: NodeOptions) {
    this.settings = settings;
    this.#child = child;
    child.stderr?.on("data", (bytes: Buffer) => {
      this.#printed = (this.#printed + bytes.toString()).slice(-4_000);
    });
    child.on("message", (message: FromNode) => this.#take(message, options));
    this.#exited = new Promise((resolve) => {
      child.once("exit", (code, signal) => {
        this.#state = "dead";
        // One that never was up is for whoever started it to judge.
        if (this.#ready && !this.#killed)
          options.onTrouble(`node ended by itself with ${code ?? signal}: ${this.#printed}`);
        for (const { reject } of this.#asked.values()) reject(new Error(`${settings.node} is dead: ${this.#printed}`));
        this.#asked.clear();
        resolve();
      });
    });
  }

  /** Starts one; resolves when it hears the bus. */
  static async start(settings: NodeSettings, options: NodeOptions): Promise<NodeProcess> {
    const child = forkWorker(settings, options);
    const node = new NodeProcess(settings, child, options);
    await new Promise<void>((resolve, reject) => {
      child.on("message", (message: FromNode) => {
        if (message.type !== "ready") return;
        node.#ready = true;
        resolve();
      });
      child.once("exit", () => reject(new Error(`${settings.node} did not start: ${node.#printed}`)));
    });
    return node;
  }

  get name(): string {
    return this.settings.node;
  }

  get state(): "running" | "stopped" | "dead" {
    return this.#state;
  }

  perform(operations: readonly (Operation & { readonly id: number })[]): void {
    this.#send({ type: "operations", operations });
  }

  /** @throws If the node refuses, or dies first. */
  ask<Answer>(question: Question): Promise<Answer> {
    if (this.#state === "dead") return Promise.reject(new Error(`${this.name} is dead`));
    const id = ++this.#questions;
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { resolve: (answer) => resolve(answer as Answer), reject });
      this.#send({ type: "question", id, question });
    });
  }

  /** SIGKILL: it ends where it is. */
  async kill(): Promise<void> {
    this.#killed = true;
    this.#child.kill("SIGKILL");
    await this.#exited;
  }

  /** SIGSTOP: its connections stay open and it does nothing. */
  freeze(): void {
    if (this.#state !== "running") return;
    this.#state = "stopped";
    this.#child.kill("SIGSTOP");
  }

  /** SIGCONT. */
  thaw(): void {
    if (this.#state !== "stopped") return;
    this.#state = "running";
    this.#child.kill("SIGCONT");
  }

  /** Closes the node as an application would, then ends the process. */
  async stop(): Promise<void> {
    this.thaw();
    if (this.#state === "dead") return;
    await this.ask({ ask: "close" }).catch(() => {});
    await this.kill();
  }

  #send(message: ToNode): void {
    // What a dead node does not take is a call without an outcome.
    if (this.#child.connected) this.#child.send(message, () => {});
  }

  #take(message: FromNode, options: NodeOptions): void {
    if (message.type === "outcomes") options.onOutcomes(message.outcomes);
    else if (message.type === "trouble") options.onTrouble(message.what);
    else if (message.type === "lock" || message.type === "guarded") options.onTold(message);
    else if (message.type === "answer") this.#asked.get(message.id)?.resolve(message.answer);
    else if (message.type === "refusal")
      this.#asked.get(message.id)?.reject(new Error(`${this.name}: ${message.reason}`));
    if (message.type === "answer" || message.type === "refusal") this.#asked.delete(message.id);
  }
}
