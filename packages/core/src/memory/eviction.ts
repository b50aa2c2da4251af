import { type Entry, isDirty, isVisited, markVisited } from "../values/entry.ts";
import { Newcomers } from "./newcomers.ts";
import { SieveHand } from "./sieve-hand.ts";
import { Survey } from "./survey.ts";

/** New entries are on probation while they are the newest sixteenth. */
const probationShift = 4;
/** Of those that nobody read meanwhile, one in so many stays all the same. */
const chances = 8;
/**
 * Chooses what makes room. Made for both kinds of load that fool one another's policies: skewed ones, where what was
 * read stays, and walks over more than there is room for, where whoever lets everybody in keeps nobody long enough.
 *
 * - Entries that have proved themselves are kept by SIEVE (Zhang et al., NSDI 2024): see `SieveHand`.
 * - New ones are on probation, in a short queue as in S3-FIFO (Yang et al., "FIFO queues are all you need for cache
 *   eviction", SOSP 2023). Who was read there stays. Of the others one in eight does, by lot: so some part of a walk
 *   that is too long stays until it comes round again, and who comes often has many chances (bimodal insertion,
 *   Qureshi et al., "Adaptive insertion policies for high performance caching", ISCA 2007).
 * - Where almost nothing of what is held is asked for any more (`Survey`), the hand begins again with the oldest, and
 *   as many as are held are let in without a lot, so that what is of the past is replaced in one turnover.
 *
 * It remembers no key that has left, moves nothing on a hit, and needs no memory for an entry: the queue of those on
 * probation are the newest keys, the lot is a generator of random numbers, the sample of the survey is small, the rest are the marks of the entries.
 */
export class Eviction {
  readonly #entries: ReadonlyMap<string, Entry>;
  readonly #hand: SieveHand;
  readonly #survey: Survey;
  readonly #newcomers = new Newcomers();
  /** Whether the cache has ever been full: before, whoever comes stays. */
  #started = false;
  /** So many calls pass before the hand goes again: all that it could take was dirty. */
  #pause = 0;
  #lot = 0x1e3779b9;
  /** How many are still let in without a lot. */
  #open = 0;

  constructor(entries: ReadonlyMap<string, Entry>) {
    this.#entries = entries;
    this.#survey = new Survey(entries);
    this.#hand = new SieveHand(entries, (key) => this.#survey.onKept(key));
  }

  /** To be called when `key`, which was not there, has been added. @param isFull Whether room must be made now. */
  onAdd(key: string, entry: Entry, isFull: boolean): void {
    if (!this.#started && !isFull) return;
    this.#started = true;
    this.#newcomers.push(key, entry);
    if (!isFull) {
      while (this.#isOver()) this.#newcomers.shift();
    } else if (this.#survey.onCome()) {
      this.#hand.reset();
      this.#open = this.#entries.size;
    }
  }

  /** To be called when an entry gives way to another in its place. */
  onReplace(old: Entry, entry: Entry): void {
    // On probation it has proved itself; whoever judges `old` there need not look up what took its place.
    markVisited(old);
    this.#hand.onReplace(old, entry);
  }

  /** To be called before an entry is removed, evicted or not. */
  onRemove(entry: Entry): void {
    markVisited(entry);
    this.#hand.onRemove(entry);
  }

  /** All entries are gone. */
  reset(): void {
    this.#hand.reset();
    this.#survey.reset();
    this.#newcomers.clear();
    this.#started = false;
    this.#pause = this.#open = 0;
  }

  /**
   * Hands the entry to evict to `evict`, which removes it. False if all that may go are dirty.
   * @param put The entry that room is made for: it does not go itself.
   */
  evict(put: Entry, evict: (key: string, entry: Entry) => void): boolean {
    while (this.#isOver()) if (this.#judge(put, evict)) return true;
    if (this.#pause > 0) this.#pause--;
    else if (this.#hand.evict(put, this.#newcomers.count, evict)) return true;
    else this.#pause = this.#entries.size >> 3;
    return this.#evictNewcomer(put, evict);
  }

  #isOver(): boolean {
    return this.#newcomers.count > Math.max(1, this.#entries.size >> probationShift);
  }

  /** The oldest on probation stays or goes. @returns Whether it went. */
  #judge(put: Entry, evict: (key: string, entry: Entry) => void): boolean {
    const { key, entry } = this.#newcomers;
    this.#newcomers.shift();
    // One that was removed or replaced meanwhile bears the mark, too.
    if (key === undefined || entry === undefined || isVisited(entry)) return false;
    if (entry === put || isDirty(entry) || this.#isLetIn()) return false;
    evict(key, entry);
    return true;
  }

  #isLetIn(): boolean {
    if (this.#open > 0) {
      this.#open--;
      return true;
    }
    // A 32-bit xorshift generator (Marsaglia, 2003).
    this.#lot ^= this.#lot << 13;
    this.#lot ^= this.#lot >>> 17;
    this.#lot ^= this.#lot << 5;
    return this.#lot >>> 0 < 2 ** 32 / chances;
  }

  /** Where all others are dirty: the oldest on probation that is not. */
  #evictNewcomer(put: Entry, evict: (key: string, entry: Entry) => void): boolean {
    let isGone = false;
    for (let { key } = this.#newcomers; key !== undefined; key = this.#newcomers.key) {
      this.#newcomers.shift();
      const entry = this.#entries.get(key);
      isGone ||= entry === undefined;
      if (entry === undefined || isDirty(entry)) continue;
      if (entry !== put) {
        evict(key, entry);
        return true;
      }
      if (this.#newcomers.count > 0) continue;
      this.#newcomers.push(key, entry);
      break;
    }
    // In place of newcomers that were removed the hand has spared as many of the others.
    return isGone && this.#hand.evict(put, this.#newcomers.count, evict);
  }
}
