import type { Cancel, Clock } from "../values/clock.ts";
import { type Entry, isDirty, uselessFrom } from "../values/entry.ts";
import { ExpiryCounts } from "./expiry-counts.ts";

/** Entries looked at in one turn of the event loop, and how many between two readings of the clock. */
const sliceEntries = 2_048;
const checkEvery = 128;
/** A slice that took this long ends, in milliseconds. */
const sliceMs = 1;
/** A pass over so few entries costs less than the thought whether to make it. */
const smallEntries = 16_384;
/** Above that, a pass waits for one entry in so many to be due, but no longer than so many intervals. */
const worthwhileShare = 1 / 64;
const patienceIntervals = 20;

/** When the cache may let go of the entry, on the monotonic clock. */
const endOf = (entry: Entry): number => (isDirty(entry) ? Number.POSITIVE_INFINITY : uselessFrom(entry));

/**
 * Lets go of entries that are of no use to anybody, in slices between turns of the event loop. Counts of what expires
 * when tell it whether a pass is worth making, so that a cache with nothing to let go of is not walked.
 *
 * States: asleep (nothing held that will expire; no timer) → waiting (a timer for the next look) → passing (a timer
 * for the next slice) → waiting or asleep. `close` ends each of them.
 */
export class ExpirySweep {
  readonly #entries: ReadonlyMap<string, Entry>;
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #remove: (key: string, entry: Entry) => void;
  #counts: ExpiryCounts;
  /** The counts of the pass under way: they replace the others at its end. */
  #recount: ExpiryCounts | undefined;
  #spare: ExpiryCounts;
  #cancel: Cancel | undefined;
  #waited = 0;
  #closed = false;

  /** @param remove Lets go of an entry; it tells `onRemove`. */
  constructor(
    entries: ReadonlyMap<string, Entry>,
    clock: Clock,
    intervalMs: number,
    remove: (key: string, entry: Entry) => void,
  ) {
    this.#entries = entries;
    this.#clock = clock;
    this.#intervalMs = intervalMs;
    this.#remove = remove;
    this.#counts = new ExpiryCounts(intervalMs / 2);
    this.#spare = new ExpiryCounts(intervalMs / 2);
  }

  onAdd(entry: Entry): void {
    const end = endOf(entry);
    if (end === Number.POSITIVE_INFINITY) return;
    if (this.#cancel === undefined) this.#wake();
    this.#counts.add(end);
    this.#recount?.add(end);
  }

  onRemove(entry: Entry): void {
    this.#counts.remove(endOf(entry));
  }

  /** All entries are gone. */
  onClear(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#recount = undefined;
  }

  close(): void {
    this.onClear();
    this.#closed = true;
  }

  #wake(): void {
    if (this.#closed) return;
    this.#counts.restart(this.#clock.monotonic());
    this.#wait();
  }

  #wait(): void {
    this.#cancel = this.#clock.schedule(this.#intervalMs, () => this.#look(), true);
  }

  #look(): void {
    const due = this.#counts.dueAt(this.#clock.monotonic());
    this.#waited = due > 0 ? this.#waited + 1 : 0;
    if (this.#isWorthwhile(due)) this.#begin();
    else if (this.#entries.size > 0 && this.#counts.any) this.#wait();
    else this.#cancel = undefined;
  }

  #isWorthwhile(due: number): boolean {
    const { size } = this.#entries;
    if (this.#counts.isOver(this.#clock.monotonic())) return true;
    return due > 0 && (size <= smallEntries || due >= size * worthwhileShare || this.#waited >= patienceIntervals);
  }

  #begin(): void {
    this.#waited = 0;
    this.#recount = this.#spare;
    this.#recount.restart(this.#clock.monotonic());
    this.#pass(this.#entries.entries(), this.#recount);
  }

  #pass(walk: IterableIterator<[string, Entry]>, recount: ExpiryCounts): void {
    if (this.#slice(walk, recount)) {
      this.#cancel = this.#clock.schedule(0, () => this.#pass(walk, recount), true);
      return;
    }
    this.#spare = this.#counts;
    this.#counts = recount;
    this.#recount = undefined;
    if (this.#entries.size > 0 && recount.any) this.#wait();
    else this.#cancel = undefined;
  }

  /** Whether there is more to walk. */
  #slice(walk: IterableIterator<[string, Entry]>, recount: ExpiryCounts): boolean {
    const began = this.#clock.monotonic();
    for (let seen = 1; seen <= sliceEntries; seen++) {
      const step = walk.next();
      if (step.done === true) return false;
      const [key, entry] = step.value;
      const end = endOf(entry);
      if (end <= began) this.#remove(key, entry);
      else recount.add(end);
      if (seen % checkEvery === 0 && this.#clock.monotonic() - began > sliceMs) return true;
    }
    return true;
  }
}
