import type { Codec } from "../ports/codec.ts";
import type { MergeEngine } from "../ports/merge-engine.ts";
import type { HistoryRetention } from "../ports/store.ts";
import type { TtlStrategy } from "../ports/ttl-strategy.ts";
import { type EntryOwner, generationStep, largestGeneration } from "../values/entry.ts";
import type { PatternMeters } from "./pattern-meters.ts";
import { majorityRule, type QuorumRule } from "./quorum.ts";

/** What another node can read after a write: see the table of modes in the documentation. */
export type Mode = "strong-local" | "eventual-distributed" | "strong-distributed";

/** What a registration decides, checked, with every default filled in. Durations in milliseconds. */
export interface RegistrationPolicy {
  readonly pattern: string;
  readonly mode: Mode;
  readonly ttlMs: number;
  readonly strategy: TtlStrategy | undefined;
  readonly merge: MergeEngine | undefined;
  readonly codec: Codec;
  readonly history: HistoryRetention | undefined;
  /** How long a value may be served past its expiry when it cannot be replaced. */
  readonly graceMs: number;
  /** Whether fail-safe may serve what may have been overtaken. */
  readonly graceForSuspects: boolean;
  /** How long after a failure to replace it an expired value is served without another try; 0: each read tries. */
  readonly throttleMs: number;
  readonly softTimeoutMs: number | undefined;
  readonly hardTimeoutMs: number | undefined;
  readonly eagerShare: number;
  readonly jitter: number;
  readonly sliding: boolean;
  readonly negativeTtlMs: number;
  readonly storeTtlMs: number | undefined;
}

const mostRaisesKept = 256;

/** One registered pattern: its policy, and the two numbers that its entries' hits are judged and counted by. */
export class Registration implements EntryOwner {
  readonly policy: RegistrationPolicy;
  readonly meters: PatternMeters;
  readonly graceMs: number;
  readonly eagerShare: number;
  readonly ttlMs: number;
  /** Whether its values are written as they come and live for `ttlMs`, no more and no less. */
  readonly isPlain: boolean;
  /** Whether a reader who asks for nothing special waits as long as it takes, and takes nothing less. */
  readonly readsPlainly: boolean;
  /** Whether a writer waits as long as it takes, for all nodes, and nothing is merged or asked. */
  readonly writesPlainly: boolean;
  /** Whether every read is validated and every write needs a quorum. */
  readonly isStrong: boolean;
  generation = 0;
  hits = 0;
  quorum: QuorumRule = majorityRule;
  /** For the metrics: the hits counted so far. */
  readonly readHits: () => number;
  // The generation that counts once the node can hear again, while `generation` rules out every hit.
  #suspended: number | undefined = undefined;
  readonly #raisedAt: number[] = [];

  constructor(policy: RegistrationPolicy, metersOf: (pattern: string, hits: () => number) => PatternMeters) {
    this.policy = policy;
    this.graceMs = policy.graceMs;
    this.eagerShare = policy.eagerShare;
    this.ttlMs = policy.ttlMs;
    this.isStrong = policy.mode === "strong-distributed";
    this.isPlain =
      policy.merge === undefined &&
      policy.strategy === undefined &&
      policy.history === undefined &&
      !policy.sliding &&
      policy.jitter === 0 &&
      policy.eagerShare === 0;
    this.readsPlainly =
      !this.isStrong &&
      policy.strategy === undefined &&
      policy.hardTimeoutMs === undefined &&
      policy.softTimeoutMs === undefined &&
      policy.graceMs === 0;
    this.writesPlainly =
      policy.mode === "eventual-distributed" &&
      policy.merge === undefined &&
      policy.strategy === undefined &&
      policy.hardTimeoutMs === undefined;
    this.readHits = () => this.hits;
    this.meters = metersOf(policy.pattern, this.readHits);
  }

  get isDistributed(): boolean {
    return this.policy.mode !== "strong-local";
  }

  get ended(): boolean {
    return this.generation === largestGeneration && this.#suspended === undefined;
  }

  /** Makes every entry filled so far suspect. @param at When, by the clock that dates versions (`getAt`). */
  raise(at: number): void {
    if (this.ended) return;
    this.#raisedAt.push(at);
    if (this.#raisedAt.length > mostRaisesKept) this.#raisedAt.shift();
    if (this.#suspended === undefined) this.generation += generationStep;
    else this.#suspended += generationStep;
  }

  /** When this registration was first raised after `generation`; -Infinity if that is forgotten, Infinity if never. */
  raisedAfter(generation: number): number {
    const current = this.#suspended ?? this.generation;
    const behind = (current - generation) / generationStep;
    if (behind <= 0) return Number.POSITIVE_INFINITY;
    return this.#raisedAt[this.#raisedAt.length - behind] ?? Number.NEGATIVE_INFINITY;
  }

  /** While suspended no entry is served without asking. */
  suspend(): void {
    if (this.ended || this.#suspended !== undefined) return;
    this.#suspended = this.generation;
    this.generation = largestGeneration;
  }

  resume(): void {
    if (this.#suspended === undefined) return;
    this.generation = this.#suspended + generationStep;
    this.#suspended = undefined;
  }

  /** No entry of this registration is served again. */
  end(): void {
    this.#suspended = undefined;
    this.generation = largestGeneration;
  }
}
