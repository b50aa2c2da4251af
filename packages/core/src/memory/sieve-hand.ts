import { clearVisited, type Entry, isDirty, isVisited } from "../values/entry.ts";

/**
 * Chooses what to evict by SIEVE (Zhang et al., "SIEVE is Simpler than LRU", NSDI 2024). Its queue is the insertion
 * order of the `Map` itself and its hand a live iterator over it, so that eviction costs no memory per entry and a hit
 * moves nothing. The hand goes from the oldest entry to the newest, takes the visited mark off what bears one, and
 * stops at the first without. Dirty entries are passed over.
 */
export class SieveHand {
  readonly #entries: ReadonlyMap<string, Entry>;
  #walk: IterableIterator<[string, Entry]> | undefined;
  /** Where the hand stands: what to look at next. Both are set while `#walk` is. */
  #key = "";
  #entry: Entry | undefined;
  #removals = 0;

  constructor(entries: ReadonlyMap<string, Entry>) {
    this.#entries = entries;
  }

  /**
   * Hands the entry to evict to `evict`, which removes it. False if all that may go are dirty.
   * @param put The entry that room is made for: it does not go itself.
   * @param newest The entry just added at the end of the queue, if there is one: in SIEVE room is made before it.
   */
  evict(put: Entry, newest: Entry | undefined, evict: (key: string, entry: Entry) => void): boolean {
    this.#removals = 0;
    // In two rounds every mark is off, so that only dirty entries are left.
    for (let left = 2 * this.#entries.size + 1; left > 0; left--) {
      if (this.#entry === undefined) {
        this.#walk = this.#entries.entries();
        this.#advance(newest);
      }
      const key = this.#key;
      const entry = this.#entry;
      if (entry === undefined) return false;
      this.#advance(newest);
      if (isVisited(entry)) clearVisited(entry);
      else if (entry !== put && !isDirty(entry)) {
        evict(key, entry);
        return true;
      }
    }
    return false;
  }

  /** To be called when the entry of `key` gives way to another. */
  onReplace(key: string, entry: Entry): void {
    if (this.#entry !== undefined && this.#key === key) this.#entry = entry;
  }

  /** To be called before `key` is removed, evicted or not. */
  onRemove(key: string): void {
    if (this.#entry === undefined) return;
    // An iterator that stands still keeps every table alive that the Map has outgrown since.
    if (++this.#removals > this.#entries.size) this.reset();
    else if (this.#key === key) this.#advance(undefined);
  }

  /** Back to the oldest entry. */
  reset(): void {
    this.#walk = undefined;
    this.#key = "";
    this.#entry = undefined;
    this.#removals = 0;
  }

  #advance(newest: Entry | undefined): void {
    // A loop that is left at once: V8 allocates less for it than for the object that `next()` returns. The iterators of
    // a `Map` go on afterwards where they were.
    for (const place of this.#walk ?? []) {
      if (place[1] === newest) break;
      this.#key = place[0];
      this.#entry = place[1];
      return;
    }
    this.reset();
  }
}
