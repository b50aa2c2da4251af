import type { Random } from "@warp/core";

// Taken once: inside Jest's realm every look at a global is slow.
const { floor, imul } = Math;

/** 128 bits of a text, as four words (xmur3: Bret Mulvey's murmur3 finaliser over a running hash). */
const wordsOf = (text: string): [number, number, number, number] => {
  let hash = 1_779_033_703 ^ text.length;
  for (let index = 0; index < text.length; index++) {
    hash = imul(hash ^ text.charCodeAt(index), 3_432_918_353);
    hash = (hash << 13) | (hash >>> 19);
  }
  const next = (): number => {
    hash = imul(hash ^ (hash >>> 16), 2_246_822_507);
    hash = imul(hash ^ (hash >>> 13), 3_266_489_909);
    hash ^= hash >>> 16;
    return hash >>> 0;
  };
  return [next(), next(), next(), next()];
};

/** Chance that a seed decides: the generator sfc32 (Chris Doty-Humphrey, PractRand, 2010). The same seed, the same row. */
export class SeededRandom implements Random {
  readonly #words: [number, number, number, number];
  readonly #bytes: Buffer = Buffer.alloc(16);

  constructor(seed: string) {
    this.#words = wordsOf(seed);
    for (let round = 0; round < 12; round++) this.word();
  }

  /** 32 random bits. */
  word(): number {
    const words = this.#words;
    const [a, b, c, d] = words;
    const sum = (a + b + d) | 0;
    words[3] = (d + 1) | 0;
    words[0] = b ^ (b >>> 9);
    words[1] = (c + (c << 3)) | 0;
    words[2] = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  next(): number {
    return this.word() / 2 ** 32;
  }

  id(): string {
    for (let at = 0; at < 16; at += 4) this.#bytes.writeUInt32LE(this.word(), at);
    return this.#bytes.toString("base64url");
  }

  /** One of `items`, each as likely. */
  pick<T>(items: readonly T[]): T {
    return items[floor(this.next() * items.length)] as T;
  }

  /** A whole number in [least, most]. */
  integer(least: number, most: number): number {
    return least + floor(this.next() * (most - least + 1));
  }
}
