import { wideController } from "./deadline.ts";

/** Work that no caller waits for, or not for long. */
export class Background {
  readonly #running: Set<Promise<void>> = new Set();
  readonly #closing: AbortController = wideController();
  readonly #onError: (error: unknown) => void;

  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** @param work Ends with its signal. @returns Resolves once it has ended, however. */
  run(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const running = work(this.#closing.signal)
      .catch((error: unknown) => {
        if (!this.#closing.signal.aborted) this.#onError(error);
      })
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
    return running;
  }

  /** Resolves once nothing is under way any more. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#running);
  }
}
