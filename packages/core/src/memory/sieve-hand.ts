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
  /** Where the hand stands: the key to look at next. Set while `#walk` is. */
  #key = "";
  #removals = 0;

  constructor(entries: ReadonlyMap<string, Entry>) {
    this.#entries = entries;
  }

  /**
   * The key to evict, never that of `newest`; `undefined` if all others are dirty. The caller removes it.
   * @param newest The entry just added at the end of the queue, if there is one: in SIEVE room is made before it.
   */
  next(newest: Entry | undefined): string | undefined {
    this.#removals = 0;
    // In two rounds every mark is off, so that only dirty entries are left.
    for (let left = 2 * this.#entries.size + 1; left > 0; left--) {
      if (this.#walk === undefined) {
        this.#walk = this.#entries.entries();
        this.#advance(newest);
        if (this.#walk === undefined) return undefined;
      }
      const key = this.#key;
      const entry = this.#entries.get(key);
      this.#advance(newest);
      if (entry === undefined) continue;
      if (isVisited(entry)) clearVisited(entry);
      else if (!isDirty(entry)) return key;
    }
    return undefined;
  }

  /** To be called before `key` is removed for any other reason. */
  onRemove(key: string): void {
    if (this.#walk === undefined) return;
    // An iterator that stands still keeps every table alive that the Map has outgrown since.
    if (++this.#removals > this.#entries.size) this.reset();
    else if (key === this.#key) this.#advance(undefined);
  }

  /** Back to the oldest entry. */
  reset(): void {
    this.#walk = undefined;
    this.#key = "";
    this.#removals = 0;
  }

  #advance(newest: Entry | undefined): void {
    const step = this.#walk?.next();
    if (step === undefined || step.done === true || step.value[1] === newest) this.reset();
    else this.#key = step.value[0];
  }
}
