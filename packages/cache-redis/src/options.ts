import { type Random, systemRandom, WarpError } from "@warp/core";

/** Which values are stored compressed. */
export interface RedisCompression {
  /** Values of more bytes than this are compressed, unless that does not make them smaller. */
  readonly aboveBytes: number;
  /** zlib's level, 1 (fast) to 9 (small). Default 6. */
  readonly level?: number | undefined;
}

/** How a `RedisCache` is set up. */
export interface RedisCacheOptions {
  /**
   * What all its keys in Redis begin with: tiers that must not see each other have different ones. Default `"warp"`.
   * Not empty, at most 256 bytes, without `":s1"`. With a hash tag, as in `"{warp}"`, a Cluster keeps all of it in one slot.
   */
  readonly prefix?: string | undefined;
  /** Default: nothing is. What others have compressed is read in any case. */
  readonly compress?: RedisCompression | undefined;
  /** For tokens. Default: the machine's. */
  readonly random?: Random | undefined;
}

/** Validated. */
export interface CompressionSettings {
  readonly aboveBytes: number;
  readonly level: number;
}

/** Validated, with every default. */
export interface RedisCacheSettings {
  readonly prefix: string;
  readonly compress: CompressionSettings | undefined;
  readonly random: Random;
}

const refuse = (what: string, got: unknown): WarpError =>
  new WarpError("INVALID_ARGUMENT", `${what}; got ${JSON.stringify(got) ?? String(got)}`);

const prefixOf = (prefix: unknown): string => {
  const valid = typeof prefix === "string" && prefix !== "" && prefix.isWellFormed() && !prefix.includes(":s1");
  if (valid && Buffer.byteLength(prefix) <= 256) return prefix;
  throw refuse('prefix must be 1 to 256 bytes of text without ":s1"', prefix);
};

const compressionOf = (compress: RedisCompression | undefined): CompressionSettings | undefined => {
  if (compress === undefined) return undefined;
  const { aboveBytes, level = 6 } = compress;
  if (!(typeof aboveBytes === "number" && aboveBytes >= 0))
    throw refuse("compress.aboveBytes must be a number of bytes, 0 or more", aboveBytes);
  if (!(Number.isInteger(level) && level >= 1 && level <= 9))
    throw refuse("compress.level must be a whole number from 1 to 9", level);
  return Object.freeze({ aboveBytes, level });
};

/** @throws {WarpError} `INVALID_ARGUMENT` naming the option. */
export const settingsOf = (options: RedisCacheOptions): RedisCacheSettings =>
  Object.freeze({
    prefix: prefixOf(options.prefix ?? "warp"),
    compress: compressionOf(options.compress),
    random: options.random ?? systemRandom,
  });
