import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";

/** The order that every such program obeys by ending. */
export interface Closing {
  readonly kind: "close";
}

const patienceMs = 5_000;

/**
 * A program of this folder in a process of its own, which does what it is told by messages. It says when it is ready,
 * answers each order with a message, and ends by itself when told to close.
 */
export class Child<Order extends { readonly kind: string }> {
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess) {
    this.#process = process;
  }

  /** @param program Its path. @returns Once it is ready. */
  static async start<Order extends { readonly kind: string }>(
    program: string,
    args: readonly string[],
  ): Promise<Child<Order>> {
    const child = new Child<Order>(fork(program, args, { execArgv: [] }));
    await child.#answer();
    return child;
  }

  tell(order: Order): Promise<unknown> {
    const answer = this.#answer();
    this.#process.send(order);
    return answer;
  }

  async end(): Promise<void> {
    const gone = once(this.#process, "exit");
    this.#process.send({ kind: "close" } satisfies Closing);
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), patienceMs);
    await gone;
    clearTimeout(timer);
  }

  #answer(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const child = this.#process;
      const onExit = (code: number | null): void =>
        reject(new Error(`${child.spawnargs.join(" ")} ended with ${code}`));
      child.once("exit", onExit);
      child.once("message", (message: { readonly answer: unknown }) => {
        child.removeListener("exit", onExit);
        resolve(message.answer);
      });
    });
  }
}
