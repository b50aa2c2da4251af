/** How far ahead expiries are told apart, in slots. Later ones are counted as a whole. */
const slots = 2048;

/**
 * How many entries become useless when, so that a sweep is made only where there is something to find. A window of
 * counters, `slotMs` wide each; what lies beyond it is known by number and earliest time, and counted anew when the
 * window is over. Counts may be too high (an entry whose life was prolonged, a change during a recount), never too low.
 */
export class ExpiryCounts {
  readonly #slotMs: number;
  readonly #window = new Uint32Array(slots);
  /** The number of the window's first slot. */
  #first = 0;
  /** The slot after the last one that is wholly in the past. */
  #present = 0;
  #due = 0;
  #later = 0;
  #earliestLater = Number.POSITIVE_INFINITY;

  constructor(slotMs: number) {
    this.#slotMs = slotMs;
  }

  /** Empties the counts and moves the window so that it begins at `now`. */
  restart(now: number): void {
    this.#window.fill(0);
    this.#first = this.#present = Math.floor(now / this.#slotMs);
    this.#due = this.#later = 0;
    this.#earliestLater = Number.POSITIVE_INFINITY;
  }

  add(at: number): void {
    if (at === Number.POSITIVE_INFINITY) return;
    const slot = Math.floor(at / this.#slotMs);
    if (slot < this.#present) this.#due++;
    else if (slot - this.#first < slots) (this.#window[slot - this.#first] as number)++;
    else {
      this.#later++;
      if (at < this.#earliestLater) this.#earliestLater = at;
    }
  }

  /** Takes back `add(at)`. */
  remove(at: number): void {
    if (at === Number.POSITIVE_INFINITY) return;
    const slot = Math.floor(at / this.#slotMs);
    const index = slot - this.#first;
    if (slot < this.#present) this.#due = Math.max(0, this.#due - 1);
    else if (index >= slots) this.#later = Math.max(0, this.#later - 1);
    else if (this.#window[index] !== 0) (this.#window[index] as number)--;
  }

  /** How many are past their time; those of the last `slotMs` are not counted yet. */
  dueAt(now: number): number {
    const end = Math.min(Math.floor(now / this.#slotMs), this.#first + slots);
    for (; this.#present < end; this.#present++) {
      const index = this.#present - this.#first;
      this.#due += this.#window[index] as number;
      this.#window[index] = 0;
    }
    return this.#due;
  }

  /** Whether `now` has come to entries that lay beyond the window: only a recount tells which. */
  isOver(now: number): boolean {
    return this.#later > 0 && now >= (this.#first + slots) * this.#slotMs && now >= this.#earliestLater;
  }

  /** Whether anything that was counted is left. */
  get any(): boolean {
    return this.#due > 0 || this.#later > 0 || this.#window.some((count) => count > 0);
  }
}
