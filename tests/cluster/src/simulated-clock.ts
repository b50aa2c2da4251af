import type { Cancel, Clock } from "@warp/core";
import type { Timer } from "./timer-queue.ts";

export interface ClockOptions {
  /** Whose it is, for the trace. Default: a number. */
  readonly label?: string;
  /** How far its wall clock is ahead of true time, in milliseconds; negative: behind. Default 0. */
  readonly skewMs?: number;
  /** How much its clocks gain with each true millisecond, in milliseconds; above -1. Default 0. */
  readonly driftPerMs?: number;
}

/** A timer and the process it belongs to. */
export interface ProcessTimer extends Timer {
  readonly owner: SimulatedClock;
  readonly run: () => void;
  readonly background: boolean;
  readonly order: number;
  /** Set while the timer counts among those that `settle` waits for. */
  awaited: boolean;
}

/** What a clock asks of its scheduler. */
export interface TimeSource {
  /** True time, in milliseconds since the simulation began. */
  readonly nowMs: number;
  /** Queues a timer, `delayMs` of true time from now. */
  arm(owner: SimulatedClock, delayMs: number, run: () => void, background: boolean): Cancel;
}

/** The wall clock's reading when a simulation begins: a round date, so that traces read well. */
export const simulationEpoch: number = Date.UTC(2026, 0, 1);

// Taken once: inside Jest's realm every look at a global is slow.
const { floor, max } = Math;
const { POSITIVE_INFINITY: forever, isNaN: isNotANumber } = Number;

/**
 * The clocks of one simulated process. Running: timers fire. Frozen (by the scheduler, until thawed): they are held
 * back when due, and time goes on. Crashed: they never fire again, and new ones are ignored.
 */
export class SimulatedClock implements Clock {
  readonly label: string;
  state: "running" | "frozen" | "crashed" = "running";
  /** Due while frozen. */
  readonly held: ProcessTimer[] = [];
  readonly #source: TimeSource;
  readonly #originMs: number;
  readonly #rate: number;
  #skewMs: number;

  /** @param originMs Where `monotonic` begins: another value on each process, as in life. */
  constructor(source: TimeSource, label: string, originMs: number, { skewMs = 0, driftPerMs = 0 }: ClockOptions) {
    this.#source = source;
    this.label = label;
    this.#originMs = originMs;
    this.#rate = 1 + driftPerMs;
    this.#skewMs = skewMs;
  }

  /** The wall clock jumps: from now on it is this far ahead of its own drifting time. */
  setSkew(skewMs: number): void {
    this.#skewMs = skewMs;
  }

  now(): number {
    return floor(simulationEpoch + this.#source.nowMs * this.#rate + this.#skewMs);
  }

  monotonic(): number {
    return this.#originMs + this.#source.nowMs * this.#rate;
  }

  schedule(delayMs: number, run: () => void, background = false): Cancel {
    if (isNotANumber(delayMs)) throw new RangeError("a timer's delay is NaN");
    if (this.state === "crashed" || delayMs === forever) return () => undefined;
    return this.#source.arm(this, max(0, delayMs) / this.#rate, run, background);
  }
}
