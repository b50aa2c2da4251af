/** A binary heap of timers, earliest first; among those due together the lower `tie` first. */
export interface Timer {
  dueAt: number;
  readonly tie: number;
  cancelled: boolean;
}

const before = (a: Timer, b: Timer): boolean => (a.dueAt === b.dueAt ? a.tie < b.tie : a.dueAt < b.dueAt);

export class TimerQueue<T extends Timer> {
  #heap: T[] = [];
  #cancelled = 0;

  push(timer: T): void {
    const heap = this.#heap;
    let at = heap.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as T;
      if (!before(timer, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = timer;
  }

  /** The earliest timer that is not cancelled. */
  peek(): T | undefined {
    while (this.#heap[0]?.cancelled === true) {
      this.#take();
      this.#cancelled--;
    }
    return this.#heap[0];
  }

  pop(): T | undefined {
    return this.peek() === undefined ? undefined : this.#take();
  }

  /** To be told of every timer that is cancelled while it is queued: they are let go of before they are most of it. */
  noteCancelled(): void {
    this.#cancelled++;
    if (this.#cancelled < 64 || this.#cancelled * 2 < this.#heap.length) return;
    const live = this.#heap.filter(({ cancelled }) => !cancelled);
    this.#heap = [];
    this.#cancelled = 0;
    for (const timer of live) this.push(timer);
  }

  #take(): T | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      if (left >= heap.length) break;
      const right = left + 1;
      const least = right < heap.length && before(heap[right] as T, heap[left] as T) ? right : left;
      if (!before(heap[least] as T, last)) break;
      heap[at] = heap[least] as T;
      at = least;
    }
    heap[at] = last;
    return first;
  }
}
