import { WarpError } from "../errors.ts";
import type { LocalCache, LocalCacheStats } from "../ports/local-cache.ts";
import type { Entry } from "../values/entry.ts";

/** Whoever is told of a failure may throw it on; if not, the failing call counts as a miss or as done. */
export type OnLocalFailure = (error: WarpError) => void;

/** A local cache that Warp did not write: its failures are reported, and do not escape unless the listener throws. */
export class GuardedLocalCache implements LocalCache {
  readonly portVersion = 1;
  readonly isolate: LocalCache["isolate"];
  readonly #cache: LocalCache;
  readonly #onFailure: OnLocalFailure;
  readonly #onStuck: () => void;
  /** Whether the last call failed. */
  failing = false;

  /** @param onStuck Told when the cache goes on holding what it should have let go of. */
  constructor(cache: LocalCache, onFailure: OnLocalFailure, onStuck: () => void = () => undefined) {
    this.#cache = cache;
    this.#onFailure = onFailure;
    this.#onStuck = onStuck;
    this.isolate = cache.isolate;
  }

  get stats(): LocalCacheStats {
    return this.#cache.stats;
  }

  get(key: string): Entry | undefined {
    return this.#guarded("get", key, () => this.#cache.get(key), undefined);
  }

  set(key: string, entry: Entry): void {
    const put = (): void => {
      try {
        this.#cache.set(key, entry);
      } catch (error) {
        // What it was to replace must not be served again.
        this.#orStuck(() => this.#cache.delete(key));
        throw error;
      }
    };
    this.#guarded("set", key, put, undefined);
  }

  delete(key: string): boolean {
    return this.#guarded("delete", key, () => this.#orStuck(() => this.#cache.delete(key)), false);
  }

  entries(): IterableIterator<[string, Entry]> {
    return this.#guarded("entries", undefined, () => this.#cache.entries(), [].values());
  }

  clear(): void {
    this.#guarded("clear", undefined, () => this.#orStuck(() => this.#cache.clear()), undefined);
  }

  #orStuck<T>(letGo: () => T): T {
    try {
      return letGo();
    } catch (error) {
      this.#onStuck();
      throw error;
    }
  }

  #guarded<T>(operation: string, key: string | undefined, run: () => T, fallback: T): T {
    try {
      const result = run();
      this.failing = false;
      return result;
    } catch (cause) {
      this.failing = true;
      this.#onFailure(
        new WarpError("UNAVAILABLE", "the local cache failed", { port: "local-cache", operation, key, cause }),
      );
      return fallback;
    }
  }
}
