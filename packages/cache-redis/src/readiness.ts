import type { CallOptions } from "@warp/core";
import type { RedisClient } from "./redis-client.ts";

interface Waiter {
  readonly succeed: () => void;
  readonly fail: (error: Error) => void;
}

/**
 * Holds calls back until the client is connected, each until its deadline: what nobody waits for any more is never sent,
 * whereas a client's own offline queue would send it whenever the server comes back.
 */
export class Readiness {
  readonly #client: RedisClient;
  readonly #waiters: Set<Waiter> = new Set();

  constructor(client: RedisClient) {
    this.#client = client;
  }

  /** Whether commands reach the server at once. */
  get isReady(): boolean {
    return this.#client.status === "ready";
  }

  /** @throws If the client is closed for good, or `options` run out first. */
  ready(options: CallOptions): Promise<void> {
    const { status } = this.#client;
    if (status === "ready") return Promise.resolve();
    if (status === "end") return Promise.reject(new Error("the Redis client is closed"));
    // Its failure is told by the client's own events.
    if (status === "wait") this.#client.connect().catch(() => {});
    return this.#wait(options);
  }

  #wait({ signal, timeoutMs }: CallOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      const finish = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
        this.#waiters.delete(waiter);
        if (this.#waiters.size === 0) this.#unwatch();
      };
      const waiter: Waiter = {
        succeed: () => {
          finish();
          resolve();
        },
        fail: (error) => {
          finish();
          reject(error);
        },
      };
      const onLimit = (): void => waiter.fail(new Error(`the Redis client is not connected (${this.#client.status})`));
      const onAbort = (): void => onLimit();
      const timer = timeoutMs === undefined || timeoutMs > 2 ** 31 - 1 ? undefined : setTimeout(onLimit, timeoutMs);
      if (this.#waiters.size === 0) this.#watch();
      this.#waiters.add(waiter);
      signal?.addEventListener("abort", onAbort);
    });
  }

  readonly #onReady = (): void => {
    // In the order they came.
    for (const waiter of [...this.#waiters]) waiter.succeed();
  };

  readonly #onEnd = (): void => {
    for (const waiter of [...this.#waiters]) waiter.fail(new Error("the Redis client was closed"));
  };

  #watch(): void {
    this.#client.on("ready", this.#onReady);
    this.#client.on("end", this.#onEnd);
  }

  #unwatch(): void {
    this.#client.off("ready", this.#onReady);
    this.#client.off("end", this.#onEnd);
  }
}
