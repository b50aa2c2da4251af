/** What a `Reader` throws. Never leaves the wire folder. */
export class MalformedError extends Error {
  override readonly name: string = "MalformedError";
}

const encoder = new TextEncoder();
// A byte order mark is part of the text here, and a byte that is not UTF-8 must not pass for another character.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

// Copying eight bytes from or to here costs less than a view on them there.
const bytesOfDouble = new Uint8Array(8);
const viewOfDouble = new DataView(bytesOfDouble.buffer);

/** The most bytes that a whole number of up to 2^53 - 1 takes. */
export const longestVarintBytes = 8;

/** The bytes of a whole number: seven bits in each, the least significant first (LEB128). */
export const varintBytes = (value: number): number => {
  let bytes = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) bytes += 1;
  return bytes;
};

/** The bytes of a text: its length, then UTF-8. */
export const textBytes = (text: string): number => {
  const bytes = Buffer.byteLength(text);
  return varintBytes(bytes) + bytes;
};

/** Nearly all that is written here is shorter and ASCII: a loop over it costs less than a call out of JavaScript. */
const longestLooped = 64;

/**
 * Bytes with anything in them, for what is sent and not kept: out of Node's pool (Node.js manual, `Buffer.allocUnsafe`),
 * a tenth of the cost of a typed array of its own, which V8 puts outside of its heap from 65 bytes on.
 */
export const transientBytes = (length: number): Uint8Array => {
  const { buffer, byteOffset } = Buffer.allocUnsafe(length);
  return new Uint8Array(buffer, byteOffset, length);
};

/** Writes bytes one after another into a buffer that grows. */
export class Writer {
  #bytes: Uint8Array;
  #length = 0;

  /** @param expectedBytes A guess; one that is not too small saves the copies. */
  constructor(expectedBytes = 128) {
    this.#bytes = transientBytes(expectedBytes);
  }

  #room(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#bytes.length) return;
    const larger = transientBytes(Math.max(needed, this.#bytes.length * 2));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }

  byte(value: number): void {
    this.#room(1);
    this.#bytes[this.#length++] = value;
  }

  /** @throws {RangeError} Unless `value` is whole, not negative and at most 2^53 - 1. */
  varint(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`cannot write ${value} as a whole number`);
    this.#room(longestVarintBytes);
    let rest = value;
    // Above 2^31 the bit operators would cut the number off.
    while (rest >= 128) {
      this.#bytes[this.#length++] = (rest % 128) + 128;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#length++] = rest;
  }

  /** Any number but NaN, as it is: an IEEE 754 double, big-endian. */
  double(value: number): void {
    if (Number.isNaN(value)) throw new RangeError("cannot write NaN");
    this.#room(8);
    viewOfDouble.setFloat64(0, value);
    this.#bytes.set(bytesOfDouble, this.#length);
    this.#length += 8;
  }

  text(value: string): void {
    if (value.length > longestLooped || !this.#looped(value)) this.#encoded(value);
  }

  /** @returns `false`, and nothing is written, if `value` is not ASCII. */
  #looped(value: string): boolean {
    const { length } = value;
    this.#room(length + 1);
    const bytes = this.#bytes;
    const start = this.#length + 1;
    for (let index = 0; index < length; index += 1) {
      const code = value.charCodeAt(index);
      if (code > 127) return false;
      bytes[start + index] = code;
    }
    bytes[start - 1] = length;
    this.#length = start + length;
    return true;
  }

  #encoded(value: string): void {
    const bytes = Buffer.byteLength(value);
    this.varint(bytes);
    this.#room(bytes);
    encoder.encodeInto(value, this.#bytes.subarray(this.#length, this.#length + bytes));
    this.#length += bytes;
  }

  /** As many texts as there are. */
  keys(keys: readonly string[]): void {
    this.varint(keys.length);
    for (const key of keys) this.text(key);
  }

  raw(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Begins anew, in the same place. */
  clear(): void {
    this.#length = 0;
  }

  /** What was written so far, without a copy: valid until the next write. */
  written(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}

/** Reads what a `Writer` wrote. Every method throws a `MalformedError` at bytes that no writer makes. */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;

  constructor(bytes: Uint8Array, from = 0, end: number = bytes.length) {
    this.#bytes = bytes;
    this.#at = from;
    this.#end = end;
  }

  /** Bytes that are left. */
  get left(): number {
    return this.#end - this.#at;
  }

  #take(bytes: number): number {
    const from = this.#at;
    if (bytes > this.#end - from) throw new MalformedError("the bytes end too early");
    this.#at = from + bytes;
    return from;
  }

  byte(): number {
    return this.#bytes[this.#take(1)] as number;
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (let taken = 0; taken < longestVarintBytes; taken += 1) {
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (byte < 128) {
        if (!Number.isSafeInteger(value)) break;
        return value;
      }
      scale *= 128;
    }
    throw new MalformedError("a number is larger than 2^53 - 1");
  }

  double(): number {
    const from = this.#take(8);
    for (let index = 0; index < 8; index += 1) bytesOfDouble[index] = this.#bytes[from + index] as number;
    const value = viewOfDouble.getFloat64(0);
    if (Number.isNaN(value)) throw new MalformedError("a number is NaN");
    return value;
  }

  /** @param likely If the text is this one, in ASCII, nothing is decoded. */
  text(likely?: string): string {
    const length = this.varint();
    const from = this.#take(length);
    if (likely !== undefined && this.#isAt(from, length, likely)) return likely;
    return decoder.decode(this.#bytes.subarray(from, from + length));
  }

  keys(): readonly string[] {
    const keys: string[] = [];
    for (let left = this.varint(); left > 0; left -= 1) keys.push(this.text());
    return keys;
  }

  #isAt(from: number, length: number, ascii: string): boolean {
    if (length !== ascii.length) return false;
    const bytes = this.#bytes;
    for (let index = 0; index < length; index += 1) {
      const code = ascii.charCodeAt(index);
      if (code > 127 || code !== bytes[from + index]) return false;
    }
    return true;
  }

  /** A reader of the next `bytes` bytes alone. */
  part(bytes: number): Reader {
    const from = this.#take(bytes);
    return new Reader(this.#bytes, from, from + bytes);
  }

  /** Everything that is left, without a copy. */
  rest(): Uint8Array {
    const from = this.#take(this.left);
    return this.#bytes.subarray(from, this.#end);
  }
}
