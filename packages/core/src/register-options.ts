import { WarpError } from "./errors.ts";
import type { QuorumRule } from "./mechanisms/quorum.ts";
import type { Mode, RegistrationPolicy } from "./mechanisms/registration.ts";
import { flag, oneOf } from "./options.ts";
import type { Context } from "./paths/context.ts";
import { keepsHistory } from "./paths/history.ts";
import { requirePort } from "./port-options.ts";
import type { Codec } from "./ports/codec.ts";
import type { MergeEngine } from "./ports/merge-engine.ts";
import type { HistoryRetention } from "./ports/store.ts";
import type { TtlStrategy } from "./ports/ttl-strategy.ts";
import { type Duration, durationMs } from "./values/duration.ts";
import { invalid, requireKnownFields, wholeNumber } from "./values/invalid.ts";
import { requirePattern } from "./values/pattern.ts";

/** What two kinds of registration have in common. */
export interface PolicyOptions<V = unknown> {
  /** Default `"eventual-distributed"`. */
  readonly mode?: Mode;
  /** How a write combines with what is there. Default: the constructor's. */
  readonly merge?: MergeEngine<V>;
  /** Values to bytes. Default: the constructor's. */
  readonly codec?: Codec;
  /** Keeps former versions for `getAt`. Default: none are kept. */
  readonly history?: { readonly versions?: number; readonly maxAge?: Duration };
  /**
   * Serve an expired value for so long when it cannot be replaced. `suspects`: also one that may have been overtaken.
   * `throttle`: after a failure the readers of that key try again only once so much time has passed (default 1 s; 0:
   * each read tries; a read with `refresh` always does).
   */
  readonly failSafe?: Duration | { readonly for: Duration; readonly suspects?: boolean; readonly throttle?: Duration };
  /** Serve an expired value that fail-safe allows once its replacement takes longer than this. */
  readonly softTimeout?: Duration;
  /** The longest that a call on these keys may take, unless it says otherwise. */
  readonly hardTimeout?: Duration;
  /** Refresh in the background on a hit when this share of the TTL is left: from 0 (never) to 0.9. Default 0. */
  readonly eagerRefresh?: number;
  /** Shorten each TTL by up to this share, at random, so that entries do not expire together: from 0 to 0.9. Default 0. */
  readonly jitter?: number;
  /** A hit begins the TTL anew. Default false. */
  readonly sliding?: boolean;
  /** How long it is remembered that a key does not exist. Default 0: not. */
  readonly negativeTtl?: Duration;
  /** How long the store keeps a value after its last write. Default: for ever. */
  readonly storeTtl?: Duration;
}

export interface RegisterOptions<V = unknown> extends PolicyOptions<V> {
  /** How long the caches keep a value. `Infinity` allowed. */
  readonly ttl: Duration;
}

/** Who must acknowledge a strong write, the writer among them. */
export interface QuorumOptions {
  /** How many nodes. Default: a majority of those that the writer has heard of. */
  readonly replicas?: number;
  /** In how many zones (the option `zone` of `Warp`), at most `replicas`. Default 1. */
  readonly zones?: number;
}

/** @throws {WarpError} `INVALID_ARGUMENT` naming the field. */
export const quorumRule = (quorum: number | QuorumOptions): QuorumRule => {
  if (typeof quorum === "number") return { replicas: wholeNumber("quorum", quorum, 1), zones: 1 };
  if (typeof quorum !== "object" || quorum === null || Array.isArray(quorum))
    throw invalid("quorum", "a number of nodes, or { replicas, zones }", quorum);
  requireKnownFields("quorum", quorum, ["replicas", "zones"]);
  const replicas = quorum.replicas === undefined ? undefined : wholeNumber("quorum.replicas", quorum.replicas, 1);
  const zones = quorum.zones === undefined ? 1 : wholeNumber("quorum.zones", quorum.zones, 1);
  if (replicas !== undefined && zones > replicas)
    throw new WarpError(
      "INVALID_ARGUMENT",
      `quorum.zones must be at most quorum.replicas, ${replicas}, since a node is in one zone; got ${zones}`,
    );
  return { replicas, zones };
};

export interface DynamicTtlOptions<V = unknown> extends PolicyOptions<V> {
  readonly strategy: TtlStrategy;
}

const policyFields = [
  ...["mode", "merge", "codec", "history", "failSafe", "softTimeout", "hardTimeout", "eagerRefresh"],
  ...["jitter", "sliding", "negativeTtl", "storeTtl"],
];

const share = (field: string, value: unknown = 0): number => {
  if (typeof value === "number" && value >= 0 && value <= 0.9) return value;
  throw invalid(field, "a number from 0 to 0.9", value);
};

/** With sliding lives no share of one is its end. */
const eagerShareOf = ({ eagerRefresh, sliding }: PolicyOptions): number => {
  const checked = share("eagerRefresh", eagerRefresh);
  return sliding === true ? 0 : checked;
};

const optionalMs = (field: string, value: unknown): number | undefined =>
  value === undefined ? undefined : durationMs(field, value, { leastMs: 1 });

const retentionOf = (history: PolicyOptions["history"]): HistoryRetention | undefined => {
  if (history === undefined) return undefined;
  requireKnownFields("history", history, ["versions", "maxAge"]);
  return {
    versions: history.versions === undefined ? undefined : wholeNumber("history.versions", history.versions, 1),
    maxAgeMs: optionalMs("history.maxAge", history.maxAge),
  };
};

const defaultThrottleMs = 1_000;

const graceOf = (
  failSafe: PolicyOptions["failSafe"],
): Pick<RegistrationPolicy, "graceMs" | "graceForSuspects" | "throttleMs"> => {
  const plain = { graceForSuspects: false, throttleMs: defaultThrottleMs };
  if (failSafe === undefined) return { ...plain, graceMs: 0 };
  if (typeof failSafe !== "object" || failSafe === null)
    return { ...plain, graceMs: durationMs("failSafe", failSafe, { infinite: true }) };
  requireKnownFields("failSafe", failSafe, ["for", "suspects", "throttle"]);
  return {
    graceMs: durationMs("failSafe.for", failSafe.for, { infinite: true }),
    graceForSuspects: flag("failSafe.suspects", failSafe.suspects),
    throttleMs:
      failSafe.throttle === undefined ? defaultThrottleMs : durationMs("failSafe.throttle", failSafe.throttle),
  };
};

const requireEngines = ({ merge, codec }: PolicyOptions): void => {
  requirePort("merge", merge);
  requirePort("codec", codec);
};

const commonPolicy = (
  pattern: string,
  options: PolicyOptions,
  fallback: { codec: Codec; merge: MergeEngine | undefined },
): Omit<RegistrationPolicy, "ttlMs" | "strategy"> => ({
  pattern,
  mode: oneOf(
    "mode",
    options.mode,
    ["strong-local", "eventual-distributed", "strong-distributed"],
    "eventual-distributed",
  ),
  merge: options.merge ?? fallback.merge,
  codec: options.codec ?? fallback.codec,
  history: retentionOf(options.history),
  ...graceOf(options.failSafe),
  softTimeoutMs: optionalMs("softTimeout", options.softTimeout),
  hardTimeoutMs: optionalMs("hardTimeout", options.hardTimeout),
  eagerShare: eagerShareOf(options),
  jitter: share("jitter", options.jitter),
  sliding: flag("sliding", options.sliding),
  negativeTtlMs: durationMs("negativeTtl", options.negativeTtl === undefined ? 0 : options.negativeTtl, {
    infinite: true,
  }),
  storeTtlMs: optionalMs("storeTtl", options.storeTtl),
});

type Fallback = { readonly codec: Codec; readonly merge: MergeEngine | undefined };

/** @throws {WarpError} `INVALID_ARGUMENT` naming the field. */
export const fixedPolicy = (pattern: string, options: RegisterOptions, fallback: Fallback): RegistrationPolicy => {
  requirePattern(pattern);
  requireKnownFields("register", options, [...policyFields, "ttl"]);
  requireEngines(options);
  const ttlMs = durationMs("ttl", options.ttl, { leastMs: 1, infinite: true });
  return Object.freeze({ ...commonPolicy(pattern, options, fallback), ttlMs, strategy: undefined });
};

/** @throws {WarpError} `INVALID_ARGUMENT` naming the field. */
export const dynamicPolicy = (pattern: string, options: DynamicTtlOptions, fallback: Fallback): RegistrationPolicy => {
  requirePattern(pattern);
  requireKnownFields("registerDynamicTtl", options, [...policyFields, "strategy"]);
  requireEngines(options);
  const { strategy } = options;
  if (typeof strategy?.record !== "function" || typeof strategy.ttl !== "function") {
    throw invalid("strategy", 'an object with methods "record" and "ttl"', strategy);
  }
  const common = commonPolicy(pattern, options, fallback);
  // Where hits extend a life there is no share of it left at which a refresh is due.
  const eagerShare = strategy.extendsOnHit === true ? 0 : common.eagerShare;
  return Object.freeze({ ...common, eagerShare, ttlMs: Number.POSITIVE_INFINITY, strategy });
};

/** The first option that would answer a read from what this node remembers. */
const stalerThanStrong = ({
  graceMs,
  softTimeoutMs,
  negativeTtlMs,
  eagerShare,
}: RegistrationPolicy): string | undefined => {
  if (graceMs > 0) return "failSafe";
  if (softTimeoutMs !== undefined) return "softTimeout";
  if (negativeTtlMs > 0) return "negativeTtl";
  return eagerShare > 0 ? "eagerRefresh" : undefined;
};

/** @throws {WarpError} `UNSUPPORTED` naming what the node lacks for such keys. */
export const requireSupport = (
  policy: RegistrationPolicy,
  { store, local }: Pick<Context, "store" | "local">,
  hasBus: boolean,
): void => {
  const { pattern, mode, history } = policy;
  const missing = (what: string): WarpError =>
    new WarpError("UNSUPPORTED", `"${pattern}": ${what}`, { operation: "register" });
  if (mode === "strong-distributed") {
    if (store === undefined) throw missing("the mode strong-distributed needs a store");
    if (!hasBus) throw missing("the mode strong-distributed needs a bus");
    const staler = stalerThanStrong(policy);
    if (staler !== undefined) throw missing(`${staler} is not for strong-distributed keys: no read of them is stale`);
  }
  if (mode === "strong-local" && local === undefined) throw missing("the mode strong-local needs a local cache");
  if (history !== undefined && store !== undefined && !keepsHistory(store.store))
    throw missing("history needs a store that keeps it (getAt)");
};
