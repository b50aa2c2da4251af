import type { Socket } from "node:net";

/** What a line between two ends is like. Changes hold for the bytes that enter it from then on. */
export interface LineConditions {
  /** How long every byte is under way, in ms. */
  readonly latencyMs: number;
  /** Up to this much is added to it at random, in ms. Bytes never overtake one another. */
  readonly jitterMs: number;
  /** `Infinity` for no limit. */
  readonly bytesPerSecond: number;
}

/** More than this under way, and the sender is no longer read: its own buffers fill, as on a real line. */
const capacityBytes = 1024 * 1024;

/** The size of what a slow line delivers at once. */
const packetBytes = 1460;

interface Packet {
  /** `undefined` is the sender's end of stream. */
  readonly bytes: Buffer | undefined;
  /** When it arrives, by `performance.now()`. */
  readonly dueAt: number;
}

/** One direction of one connection: what `from` sends reaches `to`, as late and as slowly as the conditions say. */
export class FaultFlow {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #conditions: () => LineConditions;
  readonly #random: () => number;
  readonly #underWay: Packet[] = [];
  #underWayBytes = 0;
  #lineFreeAt = 0;
  #lastDueAt = 0;
  #stalled: boolean;
  #timer: NodeJS.Timeout | undefined;

  constructor(from: Socket, to: Socket, conditions: () => LineConditions, random: () => number, stalled: boolean) {
    this.#from = from;
    this.#to = to;
    this.#conditions = conditions;
    this.#random = random;
    this.#stalled = stalled;
    from.on("data", (bytes) => this.#enter(bytes));
    from.on("end", () => this.#push(undefined, this.#lastDueAt));
    to.on("drain", () => this.#deliver());
    this.#pace();
  }

  /** While stalled nothing arrives and nothing more is read. Nothing is lost either: TCP would send it again. */
  set stalled(stalled: boolean) {
    this.#stalled = stalled;
    this.#deliver();
  }

  /** Forgets what is under way. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#underWay.length = 0;
  }

  #enter(bytes: Buffer): void {
    const { latencyMs, jitterMs, bytesPerSecond } = this.#conditions();
    // Slices that take 10 ms or more: a slow line costs at most a hundred timers per second.
    const size = bytesPerSecond === Infinity ? bytes.length : Math.max(packetBytes, Math.ceil(bytesPerSecond / 100));
    for (let start = 0; start < bytes.length; start += size) {
      const slice = bytes.subarray(start, start + size);
      this.#lineFreeAt = Math.max(performance.now(), this.#lineFreeAt) + (slice.length / bytesPerSecond) * 1000;
      this.#push(slice, this.#lineFreeAt + latencyMs + jitterMs * this.#random());
    }
  }

  #push(bytes: Buffer | undefined, earliestAt: number): void {
    this.#lastDueAt = Math.max(this.#lastDueAt, earliestAt);
    this.#underWayBytes += bytes?.length ?? 0;
    this.#underWay.push({ bytes, dueAt: this.#lastDueAt });
    this.#deliver();
  }

  #deliver(): void {
    clearTimeout(this.#timer);
    const now = performance.now();
    for (let next = this.#underWay[0]; next !== undefined && !this.#blocked(); next = this.#underWay[0]) {
      if (next.dueAt > now) {
        this.#timer = setTimeout(() => this.#deliver(), Math.ceil(next.dueAt - now));
        break;
      }
      this.#underWay.shift();
      this.#underWayBytes -= next.bytes?.length ?? 0;
      if (next.bytes === undefined) this.#to.end();
      else this.#to.write(next.bytes);
    }
    this.#pace();
  }

  #blocked(): boolean {
    return this.#stalled || this.#to.writableNeedDrain || this.#to.destroyed;
  }

  #pace(): void {
    if (this.#stalled || this.#underWayBytes >= capacityBytes) this.#from.pause();
    else this.#from.resume();
  }
}
