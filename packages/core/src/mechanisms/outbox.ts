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

/** What is not counted and goes along with news. */
interface Riders {
  readonly bodies: readonly FrameBody[];
  /** @param taken Whether they went along. */
  readonly resolve: (taken: boolean) => void;
  readonly reject: (error: unknown) => void;
}

interface NumberedFrame {
  readonly number: number;
  readonly bodies: readonly FrameBody[];
}

const pauses = { firstMs: 50, longestMs: 2_000 };
/** News of leases and of strong writes that may wait: like keys, at most a kilobyte or so each. */
const mostOthers = 10_000;

/**
 * What this node has to tell every other, in a bounded number of slots: one per key, so that a hundred changes of a key
 * while the bus is down are one. A single sender works it off in order; what gathers while it sends goes in the next
 * frame. A frame is numbered when it is first handed to the transport, and handed over again until that takes it. States:
 * idle; gathering, until the end of the turn that brought the first news; sending, until nothing waits.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #drops: Map<string, boolean> = new Map();
  #dropAll = false;
  #others: FrameBody[] = [];
  #urgent: (() => Promise<void>) | undefined;
  #riders: Riders | undefined;
  #state: "idle" | "gathering" | "sending" = "idle";
  #number = 0;
  #onDrained: (() => void)[] = [];
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

  /** News that is not a drop: of leases and of strong writes. Has its own bounded queue. */
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

  /**
   * Has `bodies` go along with the news of this turn, where there are some: one frame less for every node to hear, as a
   * write often begins where another has just ended.
   * @returns Whether they did; `undefined` where no frame is about to be made. Rejects as that frame's first attempt does.
   */
  ride(bodies: readonly FrameBody[]): Promise<boolean> | undefined {
    if (this.#state !== "gathering" || this.#urgent !== undefined || this.#riders !== undefined) return undefined;
    return new Promise<boolean>((resolve, reject) => {
      this.#riders = { bodies, resolve, reject };
    });
  }

  /** Tries again at once what waits for the transport. */
  wake(): void {
    this.#wake?.();
  }

  /** Resolves once nothing waits. */
  drained(): Promise<void> {
    if (this.#state === "idle") return Promise.resolve();
    return new Promise((resolve) => {
      this.#onDrained.push(resolve);
    });
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
    if (this.#state !== "idle" || this.#ended) return;
    this.#state = "gathering";
    // What the same turn of the event loop adds goes in the same frame, and what others send at the end of it goes along.
    process.nextTick(() => process.nextTick(() => this.#next()));
  }

  // Without an async function: it would be a good part of what it costs to tell of a write.
  #next(): void {
    this.#state = "sending";
    const urgent = this.#urgent;
    // Somebody waits for what rides along.
    if (urgent === undefined || this.#riders !== undefined || this.#ended) {
      this.#sendNews();
      return;
    }
    this.#urgent = undefined;
    void urgent()
      .catch((error: unknown) => this.#failed(error))
      .then(() => this.#sendNews());
  }

  /** One frame, whatever else has become urgent meanwhile. */
  #sendNews(): void {
    const riders = this.#riders;
    this.#riders = undefined;
    const bodies = this.#ended ? [] : this.#nextBodies();
    if (bodies.length > 0) {
      this.#inFlight = newsIn(bodies);
      this.#sendUntilTaken({ number: ++this.#number, bodies }, 0, riders);
      return;
    }
    riders?.resolve(false);
    if (this.#urgent !== undefined && !this.#ended) {
      this.#next();
      return;
    }
    this.#state = "idle";
    for (const onDrained of this.#onDrained.splice(0)) onDrained();
  }

  #failed(error: unknown): void {
    try {
      this.#options.onFailure(error);
    } catch {
      // A logger that breaks must not keep the news from being told.
    }
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

  #sendUntilTaken(frame: NumberedFrame, attempt: number, riders?: Riders): void {
    const { send, clock, random, roomBytes } = this.#options;
    const { number, bodies } = frame;
    const together = riders === undefined ? bodies : [...riders.bodies, ...bodies];
    const fits = riders === undefined || bytesOf(together) <= roomBytes;
    if (!fits) riders.resolve(false);
    send(number, fits ? together : bodies).then(
      () => {
        riders?.resolve(true);
        this.#taken();
      },
      (error: unknown) => {
        // Whoever rides along decides for himself whether to go again.
        riders?.reject(error);
        this.#failed(error);
        this.#retrying = true;
        void this.#pause(delay(clock, backoffMs(attempt, random, pauses), true)).then(() => {
          if (this.#ended) this.#taken();
          else this.#sendUntilTaken(frame, attempt + 1);
        });
      },
    );
  }

  /** The frame is done with. */
  #taken(): void {
    this.#inFlight = 0;
    this.#retrying = false;
    this.#next();
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

const bytesOf = (bodies: readonly FrameBody[]): number => bodies.reduce((bytes, body) => bytes + bodyBytes(body), 0);

/** Each key that is to be dropped, and each other body. */
const newsIn = (bodies: readonly FrameBody[]): number =>
  bodies.reduce((count, body) => count + (body.kind === "drop" ? body.keys.length : 1), 0);
