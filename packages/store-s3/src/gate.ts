import { WarpError } from "@warp/core";

const gaveUp = (cause: unknown): WarpError =>
  new WarpError("UNAVAILABLE", "the call was given up while other requests had their turn", { port: "store", cause });

/** Lets so many through at once; the others wait their turn, in order. */
export class Gate {
  readonly #waiting: Set<() => void> = new Set();
  #free: number;

  constructor(places: number) {
    this.#free = places;
  }

  /** @throws {WarpError} `UNAVAILABLE` if the signal is aborted while waiting: `work` has then not begun. */
  async run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await this.#turn(signal);
    try {
      return await work();
    } finally {
      const [next] = this.#waiting;
      if (next === undefined) this.#free += 1;
      else next();
    }
  }

  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.delete(enter);
        reject(gaveUp(signal.reason));
      };
      const enter = (): void => {
        this.#waiting.delete(enter);
        signal.removeEventListener("abort", leave);
        resolve();
      };
      if (signal.aborted) return reject(gaveUp(signal.reason));
      signal.addEventListener("abort", leave, { once: true });
      this.#waiting.add(enter);
    });
  }
}
