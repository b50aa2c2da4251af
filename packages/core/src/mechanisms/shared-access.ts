import type { SharedCache, SharedPut, SharedSlot } from "../ports/shared-cache.ts";
import { Batcher, type Cutting } from "./batcher.ts";
import { failureFor, type Guard } from "./guard.ts";

export const mostKeysPerCall = 10_000;
const mostOwed = 10_000;
// Measured (benchmarks, "shared-tier"): in one piece, a crowd and the server would wait for each other in turn.
export const sharedCutting: Cutting = { pieces: 3, leastItems: 32 };

export interface SharedAccessOptions {
  readonly cache: SharedCache;
  readonly guard: Guard;
  /** How long a token left in an empty slot stands: longer than any load takes. */
  readonly reserveMs: number;
  /** Called when it was forgotten what is to be dropped in the tier. */
  readonly onForgotten: () => void;
}

/** That a key is to be dropped. */
interface Debt {
  /** It was this node that should have dropped it. */
  readonly own: boolean;
  readonly order: number;
}

/**
 * The shared tier behind its guard: the reads and puts of one turn of the event loop in three calls at once at most, and
 * the drops that are owed, because whoever should have made them could not, made before the key is read again.
 */
export class SharedAccess {
  readonly cache: SharedCache;
  readonly guard: Guard;
  readonly #reserveMs: number;
  readonly #reads: Batcher<string, SharedSlot>;
  readonly #puts: Batcher<SharedPut, boolean>;
  readonly #drops: Batcher<string, undefined>;
  readonly #onForgotten: () => void;
  readonly #owed: Map<string, Debt> = new Map();
  /** Counts debts and drops: a drop pays what was owed before it began. */
  #order = 0;

  constructor({ cache, guard, reserveMs, onForgotten }: SharedAccessOptions) {
    this.cache = cache;
    this.guard = guard;
    this.#onForgotten = onForgotten;
    this.#reserveMs = reserveMs;
    this.#reads = new Batcher((keys) => this.readNow(keys), mostKeysPerCall, failureFor, sharedCutting);
    this.#drops = new Batcher(
      async (keys) => {
        await guard.call({ operation: "drop" }, (call) => cache.drop(keys, call));
        return keys.map(() => undefined);
      },
      mostKeysPerCall,
      failureFor,
    );
    this.#puts = new Batcher(
      (puts) => guard.call({ operation: "put" }, (call) => cache.put(puts, call)),
      mostKeysPerCall,
      ({ key }, error) => failureFor(key, error),
      sharedCutting,
    );
  }

  /** The slot of `key`, once what is owed to it has been dropped. */
  read(key: string): Promise<SharedSlot> {
    return this.#owed.has(key) ? this.drop([key]).then(() => this.#reads.add(key)) : this.#reads.add(key);
  }

  /** The slots of keys to which nothing is owed, in one call that is shared with nobody. */
  readNow(keys: readonly string[]): Promise<readonly SharedSlot[]> {
    return this.guard.call({ operation: "read" }, (call) => this.cache.read(keys, this.#reserveMs, call));
  }

  /** Whether the key is to be dropped before it is read. */
  owes(key: string): boolean {
    return this.#owed.size > 0 && this.#owed.has(key);
  }

  put(put: SharedPut): Promise<boolean> {
    const landed = this.#puts.add(put);
    // An unconditional one replaces what was to be dropped before.
    if (put.token !== undefined || this.#owed.size === 0) return landed;
    const order = ++this.#order;
    return landed.then((result) => {
      this.#paid([put.key], order);
      return result;
    });
  }

  /** Unconditional puts of keys to which nothing is owed, in one call that is shared with nobody. */
  async putNow(puts: readonly SharedPut[]): Promise<void> {
    await this.guard.call({ operation: "put" }, (call) => this.cache.put(puts, call));
  }

  async drop(keys: readonly string[]): Promise<void> {
    const order = ++this.#order;
    await Promise.all(keys.map((key) => this.#drops.add(key)));
    this.#paid(keys, order);
  }

  #paid(keys: readonly string[], order: number): void {
    if (this.#owed.size === 0) return;
    for (const key of keys) if ((this.#owed.get(key)?.order ?? order) < order) this.#owed.delete(key);
  }

  /** These keys are to be dropped before they are read. @param own This node changed them. */
  owe(keys: readonly string[], own: boolean): void {
    const order = ++this.#order;
    for (const key of keys) this.#owed.set(key, { own: own || this.#owed.get(key)?.own === true, order });
    if (this.#owed.size <= mostOwed) return;
    this.#owed.clear();
    this.#onForgotten();
  }

  /** Keys that this node changed and could not drop. */
  get ownOwed(): readonly string[] {
    return [...this.#owed].filter(([, { own }]) => own).map(([key]) => key);
  }

  /** Keys that are to be dropped. */
  get owed(): number {
    return this.#owed.size;
  }
}
