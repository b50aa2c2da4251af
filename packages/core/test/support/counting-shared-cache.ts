import type { CallOptions, Cancel, SharedCache, SharedPut, SharedSlot } from "../../src/index.ts";

/** A shared tier, with every call to it counted. */
export class CountingSharedCache implements SharedCache {
  readonly portVersion = 1;
  reads = 0;
  puts = 0;
  drops = 0;
  readonly #cache: SharedCache;

  constructor(cache: SharedCache) {
    this.#cache = cache;
  }

  read(keys: readonly string[], reserveMs: number, options?: CallOptions): Promise<readonly SharedSlot[]> {
    this.reads++;
    return this.#cache.read(keys, reserveMs, options);
  }

  put(puts: readonly SharedPut[], options?: CallOptions): Promise<readonly boolean[]> {
    this.puts++;
    return this.#cache.put(puts, options);
  }

  drop(keys: readonly string[], options?: CallOptions): Promise<void> {
    this.drops++;
    return this.#cache.drop(keys, options);
  }

  epoch(
    replace?: { readonly expected: string | undefined; readonly next: string },
    options?: CallOptions,
  ): Promise<string | undefined> {
    return this.#cache.epoch(replace, options);
  }

  onRollback(listener: () => void): Cancel {
    return this.#cache.onRollback(listener);
  }
}
