import type { Clock } from "../values/clock.ts";
import { delay } from "../values/clock.ts";
import type { Random } from "../values/random.ts";
import { bodyBytes, type DropBody, dropKeyBytes, dropOverheadBytes, type FrameBody } from "../wire/frame-body.ts";
import { backoffMs } from "./retry.ts";

export interface OutboxOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Room for bodies in one frame, in bytes. */
  readonly roomBytes: number;
  /** Keys that may wait; more become one `drop-all`. */
  readonly mostKeys: number;
  /** Hands a numbered frame to the transport. Called again with the same number until it resolves. */
  readonly send: (number: number, bodies: readonly FrameBody[]) => Promise<void>;
  /** Told of every failure to send. */
  readonly onFailure: (error: unknown) => void;
  /** The overflow forgot keys that are still to be dropped in the shared tier. */
  readonly onForgotten: () => void;
}

const pauses = { firstMs: 50, longestMs: 2_000 };
/** News of leases that may wait: like keys, at most a kilobyte or so each. */
const mostOthers = 10_000;

/**
 * What this node has to tell every other, in a bounded number of slots: one per key, so that a hundred changes of a key
 * while the bus is down are one. A single sender works it off in order; what gathers while it sends goes in the next
 * frame. A frame is numbered when it is first handed to the transport, and handed over again until that takes it.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #drops: Map<string, boolean> = new Map();
  #dropAll = false;
  #others: FrameBody[] = [];
  #urgent: (() => Promise<void>) | undefined;
  #number = 0;
  #sending: Promise<void> | undefined;
  #inFlight = 0;
  #wake: (() => void) | undefined;
  #ended = false;
  #retrying = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** The number of the last frame that was handed to the transport. */
  get last(): number {
    return this.#number;
  }

  /** Keys and other news that no transport has taken yet. */
  get depth(): number {
    return this.#drops.size + this.#others.length + (this.#dropAll ? 1 : 0) + this.#inFlight;
  }

  /** Whether the transport refused the frame that is being sent. */
  get isRetrying(): boolean {
    return this.#retrying;
  }

  add(keys: readonly string[], sharedDropped: boolean): void {
    for (const key of keys) this.#drops.set(key, sharedDropped);
    if (this.#drops.size > this.#options.mostKeys) this.#overflow();
    this.#start();
  }

  addDropAll(): void {
    this.#dropAll = true;
    this.#drops.clear();
    this.#start();
  }

  /** News that is not a drop: leases. Has its own bounded queue. */
  addOther(body: FrameBody): void {
    this.#others.push(body);
    if (this.#others.length > mostOthers) {
      this.#others = [];
      this.#dropAll = true;
    }
    this.#start();
  }

  /** Has the sender run `send` in its turn, between two frames; a later call replaces one that waits. */
  addUrgent(send: () => Promise<void>): void {
    this.#urgent = send;
    this.#start();
  }

  /** Tries again at once what waits for the transport. */
  wake(): void {
    this.#wake?.();
  }

  /** Resolves once nothing waits. */
  async drained(): Promise<void> {
    while (this.#sending !== undefined) await this.#sending;
  }

  end(): void {
    this.#ended = true;
    this.wake();
  }

  #overflow(): void {
    if ([...this.#drops.values()].includes(false)) this.#options.onForgotten();
    this.#drops.clear();
    this.#dropAll = true;
  }

  #start(): void {
    if (this.#sending !== undefined || this.#ended) return;
    this.#sending = this.#run().finally(() => {
      this.#sending = undefined;
      if (!this.#ended && this.#hasWork()) this.#start();
    });
  }

  #hasWork(): boolean {
    return this.#urgent !== undefined || this.#drops.size > 0 || this.#dropAll || this.#others.length > 0;
  }

  async #run(): Promise<void> {
    // What the same turn of the event loop adds goes in the same frame.
    await new Promise<void>((resolve) => process.nextTick(resolve));
    while (this.#hasWork() && !this.#ended) {
      await this.#sendUrgent();
      const bodies = this.#nextBodies();
      if (bodies.length > 0) await this.#sendUntilTaken(++this.#number, bodies);
    }
  }

  async #sendUrgent(): Promise<void> {
    const urgent = this.#urgent;
    this.#urgent = undefined;
    if (urgent !== undefined) await urgent().catch(this.#options.onFailure);
  }

  #nextBodies(): readonly FrameBody[] {
    const bodies: FrameBody[] = [];
    let room = this.#options.roomBytes;
    if (this.#dropAll) {
      this.#dropAll = false;
      bodies.push({ kind: "drop-all" });
      room -= bodyBytes({ kind: "drop-all" });
    }
    for (let other = this.#others[0]; other !== undefined && room >= bodyBytes(other); other = this.#others[0]) {
      bodies.push(other);
      room -= bodyBytes(other);
      this.#others.shift();
    }
    bodies.push(...this.#takeDrops(room));
    return bodies;
  }

  #takeDrops(room: number): readonly DropBody[] {
    const taken: Record<"gone" | "owed", string[]> = { gone: [], owed: [] };
    let left = room - 2 * dropOverheadBytes;
    for (const [key, sharedDropped] of this.#drops) {
      left -= dropKeyBytes(key);
      if (left < 0) break;
      taken[sharedDropped ? "gone" : "owed"].push(key);
      this.#drops.delete(key);
    }
    const bodies: DropBody[] = [];
    if (taken.gone.length > 0) bodies.push({ kind: "drop", keys: taken.gone, sharedDropped: true });
    if (taken.owed.length > 0) bodies.push({ kind: "drop", keys: taken.owed, sharedDropped: false });
    return bodies;
  }

  async #sendUntilTaken(number: number, bodies: readonly FrameBody[]): Promise<void> {
    const { send, onFailure, clock, random } = this.#options;
    this.#inFlight = newsIn(bodies);
    for (let attempt = 0; !this.#ended; attempt++) {
      try {
        await send(number, bodies);
        break;
      } catch (error) {
        onFailure(error);
        this.#retrying = true;
        await this.#pause(delay(clock, backoffMs(attempt, random, pauses), true));
      }
    }
    this.#inFlight = 0;
    this.#retrying = false;
  }

  #pause(wait: Promise<void>): Promise<void> {
    return Promise.race([
      wait,
      new Promise<void>((resolve) => {
        this.#wake = resolve;
      }),
    ]);
  }
}

/** Each key that is to be dropped, and each other body. */
const newsIn = (bodies: readonly FrameBody[]): number =>
  bodies.reduce((count, body) => count + (body.kind === "drop" ? body.keys.length : 1), 0);
