import { WarpError } from "./errors.ts";
import type { Settings } from "./paths/context.ts";
import { portFields, requirePort } from "./port-options.ts";
import type { Bus } from "./ports/bus.ts";
import type { ChangeFeed } from "./ports/change-feed.ts";
import type { Codec } from "./ports/codec.ts";
import type { LocalCache } from "./ports/local-cache.ts";
import type { Logger } from "./ports/logger.ts";
import type { MergeEngine } from "./ports/merge-engine.ts";
import type { Metrics } from "./ports/metrics.ts";
import type { SharedCache } from "./ports/shared-cache.ts";
import type { Store } from "./ports/store.ts";
import type { Tracer } from "./ports/tracer.ts";
import { type Clock, systemClock } from "./values/clock.ts";
import { type Duration, durationMs } from "./values/duration.ts";
import { invalid, requireKnownFields, wholeNumber } from "./values/invalid.ts";
import { type Random, systemRandom } from "./values/random.ts";

/** The longest that one call to each port, or a loader, may take. */
export interface Deadlines {
  /** One call to the shared cache. Default 250 ms. */
  readonly cache?: Duration;
  /** One call to the store. Default 2 s. */
  readonly store?: Duration;
  /** One publish. Default 2 s. */
  readonly bus?: Duration;
  /** One run of a loader. Default 30 s. */
  readonly loader?: Duration;
  /** Acknowledgements of one strong write. Default 2 s. */
  readonly quorum?: Duration;
}

export interface WarpOptions {
  /** The tier in this process. Default: a `MemoryCache`; `false` for none. */
  readonly localCache?: LocalCache | false;
  /** A tier that other processes see. Default: none. */
  readonly sharedCache?: SharedCache;
  /** The authority. Default: none, Warp is then a cache only. */
  readonly store?: Store;
  /** How nodes tell each other of changes. Default: none, this node is then alone. */
  readonly bus?: Bus;
  /** How this node hears of changes by others than Warp; every node needs one of its own. Default: it does not. */
  readonly changeFeed?: ChangeFeed;
  /** How a write combines with what is there, unless a registration says otherwise. Default: the last write wins. */
  readonly merge?: MergeEngine;
  /** Values to bytes. Default: JSON. */
  readonly codec?: Codec;
  /** Where metrics go. Default: nowhere. */
  readonly metrics?: Metrics;
  /** Default: JSON lines on standard output, from `info` on. */
  readonly logger?: Logger;
  /** Default: none. */
  readonly tracer?: Tracer;
  /** A failing cache tier is a miss on read and a success on write (`"miss"`, the default), or the error surfaces (`"reject"`). */
  readonly onCacheError?: "miss" | "reject";
  /** What entries are worth while this node cannot hear the bus: asked about (default), served, or not looked at. */
  readonly whileDeaf?: "revalidate" | "serve" | "bypass";
  readonly deadlines?: Deadlines;
  /** The same as `deadlines.bus`; give one of them. */
  readonly publishTimeout?: Duration;
  /** How long an unheard node still counts as a member. Default 60 s. */
  readonly memberTimeout?: Duration;
  /** Writes of strong-local keys that may wait for the store. Default 10 000. */
  readonly maxDirty?: number;
  /** Nodes hear only those of their own cluster. Default `"warp"`. */
  readonly cluster?: string;
  /** This node's name, unique in the cluster. Default: random. */
  readonly node?: string;
  /** Where this node is, for quorums that must span zones (`setQuorum`). Default: nowhere in particular. */
  readonly zone?: string;
  /** Signs every frame; a frame without this signature is refused. Default: frames are not signed. */
  readonly secret?: string | Uint8Array;
  /** Where time comes from. Default: this machine. */
  readonly clock?: Clock;
  /** Where chance comes from. Default: this machine. */
  readonly random?: Random;
}

const defaults = Object.freeze({
  cache: 250,
  store: "2s",
  bus: "2s",
  loader: "30s",
  quorum: "2s",
  memberTimeout: "60s",
  maxDirty: 10_000,
  cluster: "warp",
} as const);

/** @throws {WarpError} `INVALID_ARGUMENT` unless `value` is `undefined` or one of `accepted`. */
export const oneOf = <T extends string>(field: string, value: unknown, accepted: readonly T[], fallback: T): T => {
  if (value === undefined) return fallback;
  if (!accepted.includes(value as T)) throw invalid(field, accepted.map((name) => `"${name}"`).join(" or "), value);
  return value as T;
};

/** False if left out. @throws {WarpError} `INVALID_ARGUMENT` for anything but true and false. */
export const flag = (field: string, value: unknown): boolean => {
  if (value === undefined) return false;
  if (typeof value !== "boolean") throw invalid(field, "true or false", value);
  return value;
};

const knownOptions = [
  ...["localCache", "sharedCache", "store", "bus", "merge", "codec", "metrics", "logger", "tracer", "onCacheError"],
  ...[
    "changeFeed",
    "whileDeaf",
    "deadlines",
    "publishTimeout",
    "memberTimeout",
    "maxDirty",
    "cluster",
    "node",
    "zone",
    "secret",
    "clock",
    "random",
  ],
];

const describeSecret = (secret: unknown): string => {
  if (typeof secret === "string") return `a string of ${secret.length} characters`;
  return ArrayBuffer.isView(secret) ? `${secret.byteLength} bytes` : `a value of type ${typeof secret}`;
};

const secretBytes = (secret: unknown): Uint8Array | undefined => {
  if (secret === undefined) return undefined;
  const bytes = typeof secret === "string" ? Buffer.from(secret) : secret;
  if (!ArrayBuffer.isView(bytes) || bytes.byteLength < 16)
    // What it is, but not what it says.
    throw new WarpError(
      "INVALID_ARGUMENT",
      `secret must be a string or a Uint8Array of at least 16 bytes; got ${describeSecret(secret)}`,
    );
  return bytes as Uint8Array;
};

const nameOf = (field: string, value: unknown): string => {
  if (typeof value !== "string" || !/^[\w.:-]{1,128}$/.test(value))
    throw invalid(field, "1 to 128 letters, digits or . : _ -", value);
  return value;
};

/**
 * The options as settings, every default filled in.
 * @throws {WarpError} `INVALID_ARGUMENT` naming the field; `UNSUPPORTED` for a port of another version.
 */
export const settingsOf = (options: WarpOptions): Settings => {
  requireKnownFields("Warp", options, knownOptions);
  for (const field of portFields)
    if (field !== "localCache" || options.localCache !== false) requirePort(field, options[field]);
  const { deadlines = {}, publishTimeout, random = systemRandom } = options;
  const { memberTimeout = defaults.memberTimeout, maxDirty = defaults.maxDirty, cluster = defaults.cluster } = options;
  requireKnownFields("deadlines", deadlines, ["cache", "store", "bus", "loader", "quorum"]);
  if (publishTimeout !== undefined && deadlines.bus !== undefined) {
    throw new WarpError("INVALID_ARGUMENT", "publishTimeout and deadlines.bus are the same setting; give one of them");
  }
  const deadline = (name: keyof Deadlines, value: unknown = defaults[name], field = `deadlines.${name}`): number =>
    durationMs(field, value, { leastMs: 1 });
  return Object.freeze({
    onCacheError: oneOf("onCacheError", options.onCacheError, ["miss", "reject"], "miss"),
    whileDeaf: oneOf("whileDeaf", options.whileDeaf, ["revalidate", "serve", "bypass"], "revalidate"),
    cacheDeadlineMs: deadline("cache", deadlines.cache),
    storeDeadlineMs: deadline("store", deadlines.store),
    busDeadlineMs:
      publishTimeout === undefined ? deadline("bus", deadlines.bus) : deadline("bus", publishTimeout, "publishTimeout"),
    loaderDeadlineMs: deadline("loader", deadlines.loader),
    quorumDeadlineMs: deadline("quorum", deadlines.quorum),
    memberTimeoutMs: durationMs("memberTimeout", memberTimeout, { leastMs: 10_000 }),
    maxDirty: wholeNumber("maxDirty", maxDirty, 1),
    cluster: nameOf("cluster", cluster),
    node: nameOf("node", options.node === undefined ? random.id() : options.node),
    zone: options.zone === undefined ? "" : nameOf("zone", options.zone),
    secret: secretBytes(options.secret),
    clock: options.clock ?? systemClock,
    random,
  });
};
