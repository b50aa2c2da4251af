import type { Clock, Pause } from "../../src/index.ts";

/** What a test makes of the other side of a port: well, refusing every call, silent (a black hole), or slow. */
export class Faults {
  mode: "well" | "refuses" | "silent" = "well";
  /** Added to each half of a call, in milliseconds. */
  latencyMs = 0;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  readonly pause: Pause = () => {
    if (this.mode === "silent") return new Promise<never>(() => undefined);
    if (this.mode === "refuses") return Promise.reject(new Error("connection refused"));
    if (this.latencyMs === 0) return undefined;
    return new Promise((resolve) => {
      this.#clock.schedule(this.latencyMs, resolve);
    });
  };
}
