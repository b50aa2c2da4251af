/** Counters of one registration. Plain fields: counting is one addition. */
export class PatternMeters {
  /** Local hits that took the slow path; the others are counted by the registration itself. */
  localHits = 0;
  sharedHits = 0;
  /** The value came from the store. */
  storeHits = 0;
  /** Neither a cache nor the store had it. */
  misses = 0;
  /** A cache knew that it does not exist. */
  negativeHits = 0;
  /** Expired values served because the source failed (fail-safe). */
  staleServed = 0;
  /** Expired values served because the source was slow (soft timeout). */
  staleWhileSlow = 0;
  /** Loader runs that ended well. */
  loads = 0;
  /** Loader runs that failed. */
  loadFailures = 0;
  /** Calls that shared a flight. */
  loadsSaved = 0;
  eagerRefreshes = 0;
  fillsRefused = 0;
  suspectsRevalidated = 0;
  suspectsReplaced = 0;
  writes = 0;
  deletes = 0;
  invalidations = 0;

  readonly #sources = new Set<() => number>();
  #retiredHits = 0;

  /** Adds fast-path hits that somebody else counts. */
  addHits(hits: () => number): void {
    this.#sources.add(hits);
  }

  /** Keeps the hits counted so far and asks `hits` no more. */
  retireHits(hits: () => number): void {
    if (this.#sources.delete(hits)) this.#retiredHits += hits();
  }

  /** All local hits, of both paths. */
  totalLocalHits(): number {
    let total = this.localHits + this.#retiredHits;
    for (const hits of this.#sources) total += hits();
    return total;
  }
}
