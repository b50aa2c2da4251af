import type { Entry } from "../values/entry.ts";

/** Keys and what was put under them, in the order they came, the oldest first to leave: a ring that grows as it fills. */
export class Newcomers {
  #keys: (string | undefined)[] = [];
  #entries: (Entry | undefined)[] = [];
  #first = 0;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** The oldest; `undefined` if there is none. */
  get key(): string | undefined {
    return this.#keys[this.#first];
  }

  /** What was put under the oldest key when it came. */
  get entry(): Entry | undefined {
    return this.#entries[this.#first];
  }

  push(key: string, entry: Entry): void {
    if (this.#count === this.#keys.length) this.#grow();
    const place = (this.#first + this.#count++) & (this.#keys.length - 1);
    this.#keys[place] = key;
    this.#entries[place] = entry;
  }

  /** The oldest leaves. */
  shift(): void {
    if (this.#count === 0) return;
    this.#keys[this.#first] = undefined;
    this.#entries[this.#first] = undefined;
    this.#first = (this.#first + 1) & (this.#keys.length - 1);
    this.#count--;
  }

  clear(): void {
    this.#keys = [];
    this.#entries = [];
    this.#first = this.#count = 0;
  }

  #grow(): void {
    const room = Math.max(16, this.#keys.length);
    const grown = <T>(ring: readonly T[]): (T | undefined)[] =>
      [...ring.slice(this.#first), ...ring.slice(0, this.#first)].concat(new Array(room).fill(undefined));
    this.#keys = grown(this.#keys);
    this.#entries = grown(this.#entries);
    this.#first = 0;
  }
}
