import { clearVisited, type Entry, isVisited, markVisited } from "../values/entry.ts";

/** How many keys are asked about at most, and at most one in so many; fewer than the last say nothing. */
const mostAsked = 32;
const askedShift = 5;
const fewestAsked = 8;
/** If no more than this share of them was read, what is held is of the past. */
const staleShare = 1 / 16;
/** How long a survey takes, and how long after one the next begins: so many times the entries held have come. */
const turnovers = 2;

/**
 * Finds out whether what is held is still asked for, by a sample: takes the visited mark off a few entries that were
 * kept, and looks after a while how many bear it again. The others have theirs back then, so that a survey changes
 * little. SIEVE alone does not find out: while new entries come that nobody reads, its hand stays with those.
 */
export class Survey {
  readonly #entries: ReadonlyMap<string, Entry>;
  /** Keys that were kept, the oldest written over. */
  #sample: string[] = [];
  #kept = 0;
  /** The entries under survey, and whether each bore the mark. */
  #marks: Map<string, boolean> | undefined;
  /** How many entries are still to come until the next step. */
  #due = 0;

  constructor(entries: ReadonlyMap<string, Entry>) {
    this.#entries = entries;
  }

  /** To be called for each entry that is kept since it was read. */
  onKept(key: string): void {
    const { size } = this.#entries;
    const asked = Math.min(mostAsked, size >> askedShift);
    if (asked < fewestAsked) return;
    // So that the sample is one of half a round.
    const every = Math.floor(size / (2 * asked));
    if (++this.#kept % every === 0) this.#sample[(this.#kept / every) % asked] = key;
  }

  /** To be called for each entry that comes into the full cache. @returns Whether what is held turned out to be stale. */
  onCome(): boolean {
    if (--this.#due > 0) return false;
    const isFirst = this.#due < 0;
    this.#due = turnovers * this.#entries.size;
    if (isFirst) return false;
    if (this.#marks !== undefined) return this.#end(this.#marks);
    this.#begin();
    return false;
  }

  reset(): void {
    this.#sample = [];
    this.#kept = this.#due = 0;
    this.#marks = undefined;
  }

  #begin(): void {
    this.#marks = new Map();
    for (const key of this.#sample) {
      const entry = this.#entries.get(key);
      // Places of the sample may be empty.
      if (entry === undefined || this.#marks.has(key)) continue;
      this.#marks.set(key, isVisited(entry));
      clearVisited(entry);
    }
  }

  #end(marks: ReadonlyMap<string, boolean>): boolean {
    this.#marks = undefined;
    const held = [...marks.keys()].map((key) => this.#entries.get(key)).filter((entry) => entry !== undefined);
    const read = held.filter(isVisited).length;
    if (held.length >= fewestAsked && read <= staleShare * held.length) return true;
    for (const [key, wasVisited] of marks) {
      const entry = this.#entries.get(key);
      if (wasVisited && entry !== undefined) markVisited(entry);
    }
    return false;
  }
}
