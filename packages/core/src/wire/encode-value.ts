import { isDeepStrictEqual, types } from "node:util";
import { WarpError } from "../errors.ts";
import type { Codec } from "../ports/codec.ts";
import { jsonCodec } from "./json-codec.ts";
import { type Unfaithful, unfaithful } from "./value-walk.ts";

const plainName = /^[A-Za-z_$][\w$]*$/;

const placeOf = (path: readonly (string | number)[]): string =>
  path.reduceRight<string>((place, segment) => {
    if (typeof segment === "number") return `${place}[${segment}]`;
    return plainName.test(segment) ? `${place}.${segment}` : `${place}[${JSON.stringify(segment)}]`;
  }, "value");

const invalid = (codec: Codec, key: string, problem: string, cause?: unknown): WarpError => {
  const accepted =
    codec === jsonCodec
      ? "null, booleans, finite numbers but -0, strings, arrays and plain objects of these"
      : `what the codec ${codec.name} gives back deep-equal`;
  return new WarpError("INVALID_VALUE", `${problem}, which would not come back as it is; accepted: ${accepted}`, {
    port: "codec",
    key,
    ...(cause === undefined ? {} : { cause }),
  });
};

/** Where two values first differ, and how; looks into arrays and plain fields only. */
const difference = (sent: unknown, back: unknown): Unfaithful => {
  if (typeof sent === "object" && sent !== null && typeof back === "object" && back !== null) {
    for (const field of Object.keys(sent)) {
      const [mine, other] = [(sent as Record<string, unknown>)[field], (back as Record<string, unknown>)[field]];
      if (Object.hasOwn(back, field) && isDeepStrictEqual(mine, other)) continue;
      const inner = difference(mine, other);
      inner.path.push(Array.isArray(sent) ? Number(field) : field);
      return inner;
    }
  }
  const kind = typeof sent === "object" && sent !== null ? (sent.constructor?.name ?? "object") : typeof sent;
  return { path: [], reason: `of kind ${kind}` };
};

const viaRoundTrip = (codec: Codec, value: unknown, key: string): Uint8Array => {
  let bytes: Uint8Array;
  let back: unknown;
  try {
    bytes = codec.encode(value);
    if (!types.isUint8Array(bytes)) throw new TypeError(`the codec ${codec.name} encodes to something else than bytes`);
    back = codec.decode(bytes);
  } catch (cause) {
    throw invalid(codec, key, `the codec ${codec.name} failed on the value`, cause);
  }
  if (isDeepStrictEqual(back, value)) return bytes;
  const { path, reason } = difference(value, back);
  throw invalid(codec, key, `${placeOf(path)} is ${reason}`);
};

const viaWalk = (value: unknown, key: string): Uint8Array => {
  let problem: Unfaithful | undefined;
  try {
    problem = unfaithful(value);
    if (problem === undefined) return jsonCodec.encode(value);
  } catch (cause) {
    throw invalid(jsonCodec, key, "value is nested too deeply, too large, or a getter of it throws", cause);
  }
  throw invalid(jsonCodec, key, `${placeOf(problem.path)} is ${problem.reason}`);
};

/**
 * The codec's bytes of a value.
 * @throws {WarpError} `INVALID_VALUE` if it would not come back deep-equal, naming the place in it.
 */
export const encodeValue = (codec: Codec, value: unknown, key: string): Uint8Array => {
  if (value === undefined) throw invalid(codec, key, "value is undefined");
  return codec === jsonCodec ? viaWalk(value, key) : viaRoundTrip(codec, value, key);
};

const corrupt = (codec: Codec, key: string, problem: string, cause?: unknown): WarpError =>
  new WarpError("CORRUPT", `the codec ${codec.name} ${problem}`, {
    port: "codec",
    key,
    ...(cause === undefined ? {} : { cause }),
  });

/**
 * The value that `encodeValue` made these bytes of.
 * @throws {WarpError} `CORRUPT` with the codec's own error as its cause.
 */
export const decodeValue = (codec: Codec, bytes: Uint8Array, key: string): unknown => {
  let value: unknown;
  try {
    value = codec.decode(bytes);
  } catch (cause) {
    throw corrupt(codec, key, "cannot read what is stored", cause);
  }
  if (value === undefined) throw corrupt(codec, key, "reads undefined, which is no value");
  return value;
};
