import { setTimeout as turn } from "node:timers/promises";
import type { BusListener } from "@warp/core";

/** Resolves once the condition holds. @throws After a while, saying what did not come about. */
export const until = async (what: string, condition: () => boolean | Promise<boolean>): Promise<void> => {
  for (const deadline = performance.now() + 40_000; performance.now() < deadline; await turn(5))
    if (await condition()) return;
  throw new Error(`did not come about: ${what}`);
};

/** A subscriber that remembers what it was told. */
export class Recorder implements BusListener {
  readonly texts: string[] = [];
  readonly gaps: string[] = [];

  onFrame(frame: Uint8Array): void {
    this.texts.push(Buffer.from(frame).toString());
  }

  onGap(reason: string): void {
    this.gaps.push(reason);
  }

  heard(text: string): Promise<void> {
    return until(`a node hears "${text}"`, () => this.texts.includes(text));
  }

  toldOfGap(): Promise<void> {
    return until("a node is told of a gap", () => this.gaps.length > 0);
  }
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Timers that can be held: those set meanwhile wait until they are let go, all of them. */
export class HeldTimers {
  readonly held: Set<() => void> = new Set();
  #isHolding: boolean;

  constructor({ hold = false } = {}) {
    this.#isHolding = hold;
  }

  hold(): void {
    this.#isHolding = true;
  }

  schedule(delayMs: number, run: () => void): () => void {
    if (!this.#isHolding) {
      const timer = setTimeout(run, delayMs);
      return () => clearTimeout(timer);
    }
    this.held.add(run);
    return () => this.held.delete(run);
  }

  letGo(): void {
    this.#isHolding = false;
    for (const run of this.held) run();
    this.held.clear();
  }
}
