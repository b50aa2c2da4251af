import type { LockEvent, Operation, Status, Step } from "./operation.ts";

/** How a call ended. */
export interface Ended {
  readonly status: Status;
  /** With what was seen filled in. Default: as they were begun. */
  readonly steps?: readonly Step[];
  readonly error?: string;
}

/** Takes down the calls of one process, or of all that share a clock. What never ended is `unknown`. */
export class Recorder {
  readonly #now: () => number;
  readonly #open: Map<number, Operation> = new Map();
  readonly #ended: Operation[] = [];
  readonly #locks: LockEvent[] = [];
  #ids: number;

  /** @param now Milliseconds of a clock that all processes share. @param firstId Where several recorders make one history. */
  constructor(now: () => number, firstId = 1) {
    this.#now = now;
    this.#ids = firstId;
  }

  /** A call begins. @returns Its id. */
  begin(process: string, call: string, steps: readonly Step[]): number {
    const id = this.#ids++;
    this.#open.set(id, { id, process, call, steps, status: "unknown", start: this.#now(), end: null });
    return id;
  }

  /** A call ends. @returns What was recorded. */
  end(id: number, { status, steps, error }: Ended): Operation | undefined {
    const begun = this.#open.get(id);
    if (begun === undefined) return undefined;
    this.#open.delete(id);
    const ended = {
      ...begun,
      status,
      end: this.#now(),
      ...(steps === undefined ? {} : { steps }),
      ...(error === undefined ? {} : { error }),
    };
    this.#ended.push(ended);
    return ended;
  }

  lock(event: LockEvent): void {
    this.#locks.push(event);
  }

  get locks(): readonly LockEvent[] {
    return this.#locks;
  }

  /** Everything so far, in the order of the beginnings. */
  get operations(): readonly Operation[] {
    return [...this.#ended, ...this.#open.values()].sort((a, b) => a.start - b.start || a.id - b.id);
  }
}
