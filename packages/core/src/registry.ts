import type { Registration } from "./mechanisms/registration.ts";
import { comparePatterns, isExact, matches } from "./values/pattern.ts";

const mostResolutions = 10_000;

/** Patterns, and which of them a key belongs to: resolved once per key and remembered in a bounded map. */
export class Registry {
  readonly #exact: Map<string, Registration> = new Map();
  /** Those with a star, in order of precedence. */
  #patterns: Registration[] = [];
  readonly #resolved: Map<string, Registration> = new Map();

  has(pattern: string): boolean {
    return this.find(pattern) !== undefined;
  }

  find(pattern: string): Registration | undefined {
    return this.#exact.get(pattern) ?? this.#patterns.find(({ policy }) => policy.pattern === pattern);
  }

  add(registration: Registration): void {
    const { pattern } = registration.policy;
    if (isExact(pattern)) this.#exact.set(pattern, registration);
    else {
      this.#patterns = [...this.#patterns, registration].sort((a, b) =>
        comparePatterns(a.policy.pattern, b.policy.pattern),
      );
    }
    this.#resolved.clear();
  }

  remove(registration: Registration): void {
    this.#exact.delete(registration.policy.pattern);
    this.#patterns = this.#patterns.filter((other) => other !== registration);
    this.#resolved.clear();
  }

  /** The registration whose policy holds for `key`: the exact one, else the pattern with the longest literal prefix. */
  resolve(key: string): Registration | undefined {
    const exact = this.#exact.get(key);
    if (exact !== undefined) return exact;
    const known = this.#resolved.get(key);
    if (known !== undefined) return known;
    const found = this.#patterns.find(({ policy }) => matches(policy.pattern, key));
    if (found !== undefined) {
      if (this.#resolved.size >= mostResolutions) this.#resolved.clear();
      this.#resolved.set(key, found);
    }
    return found;
  }

  /** Every registration, exact ones first. */
  *all(): IterableIterator<Registration> {
    yield* this.#exact.values();
    yield* this.#patterns;
  }
}
