import type { Registration } from "./mechanisms/registration.ts";
import { comparePatterns, isExact, isKey, matches } from "./values/pattern.ts";

const mostResolutions = 10_000;
/** So few patterns are compared with a key in less time than it takes to find what was remembered of it. */
const fewPatterns = 4;

interface Starred {
  readonly registration: Registration;
  readonly matches: (key: string) => boolean;
}

/** `matches`, prepared for one pattern: most have their only star at the end. */
const matcherOf = (pattern: string): ((key: string) => boolean) => {
  const prefix = pattern.slice(0, -1);
  return isExact(prefix) ? (key) => key.startsWith(prefix) : (key) => matches(pattern, key);
};

/** Patterns, and which of them a key belongs to: resolved once per key and remembered in a bounded map. */
export class Registry {
  readonly #exact: Map<string, Registration> = new Map();
  /** Those with a star, in order of precedence. */
  #patterns: Starred[] = [];
  readonly #resolved: Map<string, Registration> = new Map();

  has(pattern: string): boolean {
    return this.find(pattern) !== undefined;
  }

  find(pattern: string): Registration | undefined {
    return this.#exact.get(pattern) ?? this.#starred().find(({ policy }) => policy.pattern === pattern);
  }

  add(registration: Registration): void {
    const { pattern } = registration.policy;
    if (isExact(pattern)) this.#exact.set(pattern, registration);
    else {
      const starred = [...this.#starred(), registration];
      starred.sort((a, b) => comparePatterns(a.policy.pattern, b.policy.pattern));
      this.#patterns = starred.map((each) => ({ registration: each, matches: matcherOf(each.policy.pattern) }));
    }
    this.#resolved.clear();
  }

  remove(registration: Registration): void {
    this.#exact.delete(registration.policy.pattern);
    this.#patterns = this.#patterns.filter((other) => other.registration !== registration);
    this.#resolved.clear();
  }

  /**
   * The registration whose policy holds for `key`: the exact one, else the pattern with the longest literal prefix.
   * `undefined` for what is no key (`isKey`), so that a key that was found here is known to be one.
   */
  resolve(key: string): Registration | undefined {
    if (this.#exact.size > 0) {
      const exact = this.#exact.get(key);
      if (exact !== undefined) return exact;
    }
    if (this.#patterns.length <= fewPatterns) return this.#match(key);
    const known = this.#resolved.get(key);
    if (known !== undefined) return known;
    const found = this.#match(key);
    if (found !== undefined) {
      if (this.#resolved.size >= mostResolutions) this.#resolved.clear();
      this.#resolved.set(key, found);
    }
    return found;
  }

  /** Every registration, exact ones first. */
  *all(): IterableIterator<Registration> {
    yield* this.#exact.values();
    yield* this.#starred();
  }

  #match(key: string): Registration | undefined {
    if (!isKey(key)) return undefined;
    for (const pattern of this.#patterns) if (pattern.matches(key)) return pattern.registration;
    return undefined;
  }

  #starred(): Registration[] {
    return this.#patterns.map(({ registration }) => registration);
  }
}
