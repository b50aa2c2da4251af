import { WarpError } from "../errors.ts";

const mostKept = 1_000;

/**
 * What failed behind the callers' backs: publishes, write-behind, refreshes. Keeps the last 1 000 that nobody read and
 * counts what it lets go. Each error goes to one reader.
 */
export class BackgroundErrors implements AsyncIterable<WarpError> {
  readonly #kept: WarpError[] = [];
  readonly #readers: ((result: IteratorResult<WarpError>) => void)[] = [];
  readonly #counts: Map<string, number> = new Map();
  #dropped = 0;
  #ended = false;

  /** Errors let go because nobody read them in time. */
  get dropped(): number {
    return this.#dropped;
  }

  /** How many there were, by operation. */
  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  add(error: unknown, fallback: { readonly operation: string; readonly key?: string }): void {
    const known = WarpError.is(error)
      ? error
      : new WarpError("UNAVAILABLE", `${fallback.operation} failed`, { ...fallback, cause: error });
    this.#counts.set(fallback.operation, (this.#counts.get(fallback.operation) ?? 0) + 1);
    const reader = this.#readers.shift();
    if (reader !== undefined) {
      reader({ value: known, done: false });
      return;
    }
    this.#kept.push(known);
    if (this.#kept.length > mostKept) {
      this.#kept.shift();
      this.#dropped++;
    }
  }

  /** Ends every iteration once what is kept has been read. */
  end(): void {
    this.#ended = true;
    for (const reader of this.#readers.splice(0)) reader({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): AsyncIterator<WarpError> {
    let pending: ((result: IteratorResult<WarpError>) => void) | undefined;
    return {
      next: () => {
        const kept = this.#kept.shift();
        if (kept !== undefined) return Promise.resolve({ value: kept, done: false });
        if (this.#ended) return Promise.resolve({ value: undefined, done: true });
        return new Promise((resolve) => {
          pending = resolve;
          this.#readers.push(resolve);
        });
      },
      return: () => {
        const at = pending === undefined ? -1 : this.#readers.indexOf(pending);
        if (at >= 0) this.#readers.splice(at, 1)[0]?.({ value: undefined, done: true });
        return Promise.resolve({ value: undefined, done: true });
      },
    };
  }
}
