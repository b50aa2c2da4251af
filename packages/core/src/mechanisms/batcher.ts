interface Pending<I, O> {
  readonly item: I;
  readonly resolve: (result: O) => void;
  readonly reject: (error: unknown) => void;
}

/** Into how many calls a batch is cut, where the other side can work on one while this one works on the next. */
export interface Cutting {
  readonly pieces: number;
  /** Smaller ones cost more than they gain. */
  readonly leastItems: number;
}

/** Hands `items` on in their order. @param most In one piece. */
export const cutInPieces = <T>(
  items: readonly T[],
  most: number,
  { pieces, leastItems }: Cutting,
  send: (some: readonly T[]) => void,
): void => {
  const count = Math.max(1, Math.min(pieces, Math.floor(items.length / leastItems)));
  const length = Math.min(most, Math.ceil(items.length / count));
  if (items.length <= length) send(items);
  else for (let from = 0; from < items.length; from += length) send(items.slice(from, from + length));
};

const whole: Cutting = { pieces: 1, leastItems: 1 };

/**
 * Gathers what is asked for within one turn of the event loop into one call, so that a hundred callers cost one round
 * trip. Items are answered in their order.
 */
export class Batcher<I, O> {
  #pending: Pending<I, O>[] = [];
  readonly #run: (items: readonly I[]) => Promise<readonly O[]>;
  readonly #most: number;
  readonly #cutting: Cutting;
  readonly #failureOf: (item: I, error: unknown) => unknown;

  /** @param failureOf What `error`, the failure of a whole call, is to one who asked for `item`. @param most Items in one call; more are sent in several, at the same time. */
  constructor(
    run: (items: readonly I[]) => Promise<readonly O[]>,
    most: number,
    failureOf: (item: I, error: unknown) => unknown = (_, error) => error,
    cutting: Cutting = whole,
  ) {
    this.#run = run;
    this.#most = most;
    this.#failureOf = failureOf;
    this.#cutting = cutting;
  }

  add(item: I): Promise<O> {
    return new Promise<O>((resolve, reject) => {
      // nextTick comes after the microtasks that are due: whoever was woken by the same reply is in the same batch.
      if (this.#pending.length === 0) process.nextTick(() => this.#flush());
      this.#pending.push({ item, resolve, reject });
    });
  }

  #flush(): void {
    const pending = this.#pending;
    this.#pending = [];
    cutInPieces(pending, this.#most, this.#cutting, (some) => this.#send(some));
  }

  #send(pending: readonly Pending<I, O>[]): void {
    const onResults = (results: readonly O[]): void =>
      pending.forEach(({ resolve }, index) => {
        resolve(results[index] as O);
      });
    const onError = (error: unknown): void => {
      for (const { item, reject } of pending) reject(this.#failureOf(item, error));
    };
    try {
      this.#run(pending.map(({ item }) => item))
        .then(onResults)
        .catch(onError);
    } catch (error) {
      onError(error);
    }
  }
}
