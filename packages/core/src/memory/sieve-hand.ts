import { clearVisited, type Entry, isDirty, isVisited } from "../values/entry.ts";

/**
 * Chooses what to evict by SIEVE (Zhang et al., "SIEVE is Simpler than LRU", NSDI 2024). Its queue is the insertion
 * order of the `Map` itself and its hand a live iterator over it, so that eviction costs no memory per entry and a hit
 * moves nothing. The hand goes from the oldest entry to the newest, takes the visited mark off what bears one, and
 * stops at the first without. Dirty entries are passed over.
 */
export class SieveHand {
  readonly #entries: ReadonlyMap<string, Entry>;
  readonly #onKept: (key: string) => void;
  #walk: IterableIterator<[string, Entry]> | undefined;
  /** Where the hand stands: what to look at next. Both are set while `#walk` is. */
  #key = "";
  #entry: Entry | undefined;
  /** How many entries are behind the hand, itself included; too many where others removed some of those. */
  #behind = 0;
  #removals = 0;

  /** @param onKept Told of each entry that is kept since it bears the mark. */
  constructor(entries: ReadonlyMap<string, Entry>, onKept: (key: string) => void) {
    this.#entries = entries;
    this.#onKept = onKept;
  }

  /**
   * Hands the entry to evict to `evict`, which removes it. False if all that may go are dirty.
   * @param put The entry that room is made for: it does not go itself.
   * @param spared How many of the newest entries the hand does not come to.
   */
  evict(put: Entry, spared: number, evict: (key: string, entry: Entry) => void): boolean {
    this.#removals = 0;
    // In two rounds every mark is off, so that only dirty entries are left.
    for (let left = 2 * this.#entries.size + 1; left > 0; left--) {
      if (this.#entry === undefined) {
        this.#walk = this.#entries.entries();
        this.#advance(spared);
      }
      const key = this.#key;
      const entry = this.#entry;
      if (entry === undefined) return false;
      this.#advance(spared);
      if (isVisited(entry)) {
        clearVisited(entry);
        this.#onKept(key);
      } else if (entry !== put && !isDirty(entry)) {
        if (this.#entry !== undefined) this.#behind--;
        evict(key, entry);
        return true;
      }
    }
    return false;
  }

  /** To be called when an entry gives way to another in its place. */
  onReplace(old: Entry, entry: Entry): void {
    if (this.#entry === old) this.#entry = entry;
  }

  /** To be called before an entry is removed, evicted or not. */
  onRemove(entry: Entry): void {
    if (this.#entry === undefined) return;
    // An iterator that stands still keeps every table alive that the Map has outgrown since.
    if (++this.#removals > this.#entries.size) this.reset();
    else if (this.#entry === entry) {
      this.#behind--;
      this.#advance(0);
    }
  }

  /** Back to the oldest entry. */
  reset(): void {
    this.#walk = undefined;
    this.#key = "";
    this.#entry = undefined;
    this.#behind = 0;
    this.#removals = 0;
  }

  #advance(spared: number): void {
    if (this.#behind >= this.#entries.size - spared) {
      this.reset();
      return;
    }
    // A loop that is left at once: V8 allocates less for it than for the object that `next()` returns. The iterators of
    // a `Map` go on afterwards where they were.
    for (const place of this.#walk ?? []) {
      this.#key = place[0];
      this.#entry = place[1];
      this.#behind++;
      return;
    }
    this.reset();
  }
}
