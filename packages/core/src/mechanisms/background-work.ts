/**
 * Work that may outlast the calls that began it. In places that are used again, not in a `Set`: one of V8 that loses what
 * it gets keeps all of it until a full collection, as a `Map` does (see `TransientMap`).
 */
export class BackgroundWork {
  readonly #places: (Promise<unknown> | undefined)[] = [];
  readonly #free: number[] = [];

  /** How much is under way. */
  get size(): number {
    return this.#places.length - this.#free.length;
  }

  /** @param work Never rejects. @returns Lets go of it, when it has ended. Calling it again does nothing. */
  add(work: Promise<unknown>): () => void {
    const place = this.#free.pop() ?? this.#places.length;
    this.#places[place] = work;
    return () => {
      if (this.#places[place] !== work) return;
      this.#places[place] = undefined;
      this.#free.push(place);
    };
  }

  /** Resolves once all that is under way now has ended. */
  async settled(): Promise<void> {
    await Promise.all(this.#places);
  }
}
