import { createHash } from "node:crypto";
import { WarpError } from "@warp/core";

/** The longest name that S3 takes, in bytes of UTF-8 (Amazon S3 User Guide, "Naming Amazon S3 objects"). */
const longestName = 1_024;

/** What stands for itself: of S3's "safe characters" those that no proxy, console or shell rewrites. */
const plain = /^[A-Za-z0-9_.-]$/;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const escapes: readonly string[] = Array.from({ length: 256 }, (_, byte) => {
  const sign = String.fromCharCode(byte);
  return plain.test(sign) ? sign : `!${byte.toString(16).toUpperCase().padStart(2, "0")}`;
});

/** Letters, digits and `_ . -` as they are, every other byte of the UTF-8 as `!` and two hexadecimal digits. */
const encode = (text: string): string => {
  let name = "";
  for (const byte of encoder.encode(text)) name += escapes[byte];
  return name;
};

/** @returns `undefined` for what `encode` never makes. */
const decode = (name: string): string | undefined => {
  const bytes: number[] = [];
  for (let at = 0; at < name.length; at += 1) {
    const sign = name.charAt(at);
    if (sign !== "!") {
      bytes.push(sign.charCodeAt(0));
      continue;
    }
    bytes.push(Number.parseInt(name.slice(at + 1, at + 3), 16));
    at += 2;
  }
  try {
    const text = decoder.decode(Uint8Array.from(bytes));
    return encode(text) === name ? text : undefined;
  } catch {
    return undefined;
  }
};

const hashOf = (key: string): string => createHash("sha256").update(key).digest("base64url");

// After the escape sign hexadecimal digits would follow: no name that was not cut has this.
const cutMark = "!-";
const hashLength = 43;
const cutEnd = /!-[A-Za-z0-9_-]{43}$/;

const prefixForm = /^(?:[A-Za-z0-9_-][A-Za-z0-9_.-]*\/)*$/;

/**
 * Where things lie in the bucket, under the prefix: records in `r/`, former versions in `h/`, transactions in `t/`.
 * The names of records begin as their keys do, so that a prefix of keys is a prefix of names; one that would be too
 * long for S3 is cut, and ends in the key's SHA-256.
 */
export class ObjectNames {
  readonly #records: string;
  readonly #prefix: string;
  readonly #room: number;

  /** @throws {WarpError} `INVALID_ARGUMENT`. */
  constructor(prefix: string) {
    if (!prefixForm.test(prefix) || prefix.length > 200)
      throw new WarpError(
        "INVALID_ARGUMENT",
        `prefix must be empty or names of A-Z a-z 0-9 _ . -, each followed by "/", at most 200 characters; got "${prefix}"`,
      );
    this.#prefix = prefix;
    this.#records = `${prefix}r/`;
    this.#room = longestName - this.#records.length;
  }

  record(key: string): string {
    const name = encode(key);
    if (name.length <= this.#room) return this.#records + name;
    return `${this.#records}${this.#startOfCut(name)}${cutMark}${hashOf(key)}`;
  }

  /** Whether the key cannot be read from the record's name. */
  isCut(key: string): boolean {
    return encode(key).length > this.#room;
  }

  /** The key in the name of a record; `"cut"` if only the record's body has it; `undefined` if this is none of ours. */
  keyOf(name: string): { readonly key: string } | "cut" | undefined {
    if (!name.startsWith(this.#records)) return undefined;
    if (cutEnd.test(name)) return "cut";
    const key = decode(name.slice(this.#records.length));
    return key === undefined || key === "" ? undefined : { key };
  }

  /** What the names of all keys that begin with `prefix` begin with; names of other keys may, too. */
  recordsFrom(prefix: string): string {
    // Half a character: the keys that have all of it are found by what is before it.
    return this.#records + this.#startOfCut(encode(prefix.isWellFormed() ? prefix : prefix.slice(0, -1)));
  }

  /** The folder of a key's former versions. */
  versions(key: string): string {
    return `${this.#prefix}h/${hashOf(key)}/`;
  }

  transaction(id: string): string {
    return `${this.#prefix}t/${encode(id)}`;
  }

  /** Where `Forgotten` keeps its date. */
  get forgotten(): string {
    return `${this.#prefix}forgotten`;
  }

  /** Names that nothing else uses, for `verify`. */
  trial(id: string): string {
    return `${this.#prefix}v/${encode(id)}`;
  }

  #startOfCut(name: string): string {
    return name.slice(0, this.#room - cutMark.length - hashLength);
  }
}
