import type { Cancel, Clock } from "../values/clock.ts";

interface Due {
  readonly id: string;
  /** Monotonic. */
  readonly at: number;
}

export interface ExpiryTimerOptions {
  readonly clock: Clock;
  /** Ids held; when there are more, a tenth of them, those due last, is forgotten. */
  readonly most: number;
  /** Told of each id when its time has come; it is no longer held then. */
  readonly onDue: (id: string) => void;
}

/**
 * Ids that are each due at a time of their own, behind one timer, armed for the earliest. A binary heap of times, where
 * those that were replaced or deleted stay until they surface, or are more than the others.
 */
export class ExpiryTimer {
  readonly #options: ExpiryTimerOptions;
  readonly #times: Map<string, number> = new Map();
  #heap: Due[] = [];
  #cancel: Cancel | undefined;
  #armedFor: number = Number.POSITIVE_INFINITY;
  #forgottenFrom: number = Number.POSITIVE_INFINITY;
  #ended = false;

  constructor(options: ExpiryTimerOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#times.size;
  }

  /** Whether one of the ids that were forgotten is due by now: whoever asks brings them back, and is told once. */
  takeForgotten(): boolean {
    if (this.#options.clock.monotonic() < this.#forgottenFrom) return false;
    this.#forgottenFrom = Number.POSITIVE_INFINITY;
    return true;
  }

  ids(): IterableIterator<string> {
    return this.#times.keys();
  }

  /** Makes `id` due in `delayMs`, whatever it was before; `Infinity` holds it and never makes it due. */
  set(id: string, delayMs: number): void {
    if (this.#ended) return;
    const at = this.#options.clock.monotonic() + Math.max(0, delayMs);
    this.#times.set(id, at);
    if (at !== Number.POSITIVE_INFINITY) this.#push({ id, at });
    if (this.#times.size > this.#options.most) this.#forgetLast();
    if (this.#heap.length > 2 * this.#times.size + 64) this.#rebuild();
    this.#arm();
  }

  /** @returns Whether it was held. */
  delete(id: string): boolean {
    return this.#times.delete(id);
  }

  /** Nothing is due any more. */
  end(): void {
    this.#ended = true;
    this.#cancel?.();
    this.#times.clear();
    this.#heap = [];
  }

  #arm(): void {
    const at = this.#next()?.at ?? Number.POSITIVE_INFINITY;
    if (at === this.#armedFor) return;
    this.#cancel?.();
    this.#armedFor = at;
    if (at === Number.POSITIVE_INFINITY) return;
    const { clock } = this.#options;
    this.#cancel = clock.schedule(at - clock.monotonic(), () => this.#fire(), true);
  }

  #fire(): void {
    if (this.#ended) return;
    this.#armedFor = Number.POSITIVE_INFINITY;
    const due: string[] = [];
    // A timer may fire early: what is not due yet arms it again.
    const now = this.#options.clock.monotonic();
    for (let next = this.#next(); next !== undefined && next.at <= now; next = this.#next()) {
      this.#pop();
      this.#times.delete(next.id);
      due.push(next.id);
    }
    this.#arm();
    for (const id of due) this.#options.onDue(id);
  }

  #forgetLast(): void {
    const sorted = [...this.#times].sort(([, a], [, b]) => a - b);
    for (const [id, at] of sorted.slice(Math.floor(this.#options.most * 0.9))) {
      this.#times.delete(id);
      this.#forgottenFrom = Math.min(this.#forgottenFrom, at);
    }
    this.#rebuild();
  }

  #rebuild(): void {
    this.#heap = [...this.#times].filter(([, at]) => at !== Number.POSITIVE_INFINITY).map(([id, at]) => ({ id, at }));
    // Sorted is a heap.
    this.#heap.sort((a, b) => a.at - b.at);
  }

  /** The earliest that still counts. */
  #next(): Due | undefined {
    for (let first = this.#heap[0]; first !== undefined; first = this.#heap[0]) {
      if (this.#times.get(first.id) === first.at) return first;
      this.#pop();
    }
    return undefined;
  }

  #push(due: Due): void {
    const heap = this.#heap;
    let place = heap.length;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = heap[above] as Due;
      if (parent.at <= due.at) break;
      heap[place] = parent;
      place = above;
    }
    heap[place] = due;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let place = 0;
    for (let child = 1; child < heap.length; child = 2 * place + 1) {
      const [left, right] = [heap[child] as Due, heap[child + 1]];
      const least = right !== undefined && right.at < left.at ? right : left;
      if (last.at <= least.at) break;
      heap[place] = least;
      place = least === left ? child : child + 1;
    }
    heap[place] = last;
  }
}
