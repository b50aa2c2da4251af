/** Turns values into bytes and back. Must be the same on every node that shares a store or a shared tier. */
export interface Codec {
  /** For errors. */
  readonly name: string;
  /** @throws Anything, if the value has no such form: reported as `INVALID_VALUE`. */
  encode(value: unknown): Uint8Array;
  /** @throws Anything, if the bytes are not of this codec: reported as `CORRUPT`. */
  decode(bytes: Uint8Array): unknown;
}
