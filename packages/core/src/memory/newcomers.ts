/** Keys in the order they came, the oldest first to leave: a ring that grows as it fills. */
export class Newcomers {
  #ring: (string | undefined)[] = [];
  #first = 0;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  push(key: string): void {
    if (this.#count === this.#ring.length) this.#grow();
    this.#ring[(this.#first + this.#count++) & (this.#ring.length - 1)] = key;
  }

  /** The oldest, which leaves. */
  shift(): string | undefined {
    if (this.#count === 0) return undefined;
    const key = this.#ring[this.#first];
    this.#ring[this.#first] = undefined;
    this.#first = (this.#first + 1) & (this.#ring.length - 1);
    this.#count--;
    return key;
  }

  clear(): void {
    this.#ring = [];
    this.#first = this.#count = 0;
  }

  #grow(): void {
    const ring = [...this.#ring.slice(this.#first), ...this.#ring.slice(0, this.#first)];
    this.#ring = ring.concat(new Array(Math.max(16, ring.length)).fill(undefined));
    this.#first = 0;
  }
}
