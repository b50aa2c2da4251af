import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

/** Chance that a seed decides: the same seed, the same row. */
export class Draw {
  readonly #generator: ReturnType<typeof xoroshiro128plus>;

  constructor(seed: number) {
    this.#generator = xoroshiro128plus(seed);
  }

  /** A whole number from `least` to `most`, both included. */
  integer(least: number, most: number): number {
    return uniformInt(this.#generator, least, most);
  }

  /** Uniform in [0, 1). */
  share(): number {
    return uniformFloat64(this.#generator);
  }
}

/** Draws items as often as their weight says: one with twice the weight twice as often, one with none never. */
export class WeightedDraw<T> {
  readonly #items: readonly T[];
  /** The weights up to and including each item, added up. */
  readonly #sums: Float64Array;

  /** @throws {RangeError} If no item has a weight. */
  constructor(items: readonly T[], weightOf: (item: T) => number) {
    this.#items = items;
    this.#sums = new Float64Array(items.length);
    let sum = 0;
    items.forEach((item, index) => {
      sum += weightOf(item);
      this.#sums[index] = sum;
    });
    if (!(sum > 0)) throw new RangeError("there is nothing to draw from: all weights are 0");
  }

  one(draw: Draw): T {
    const target = draw.share() * (this.#sums.at(-1) as number);
    let from = 0;
    let to = this.#sums.length - 1;
    while (from < to) {
      const middle = (from + to) >> 1;
      if ((this.#sums[middle] as number) > target) to = middle;
      else from = middle + 1;
    }
    return this.#items[from] as T;
  }
}
