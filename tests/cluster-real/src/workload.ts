import { seeded } from "@warp/tests-services/seeded";
import type { Entries, Operation, OperationKind } from "./protocol.ts";

type MixedKind = Exclude<OperationKind, "call" | "lock">;

/** How often each kind of call comes, relative to the others. */
const mix: Readonly<Record<MixedKind, number>> = {
  find: 30,
  getMany: 8,
  getOrSet: 12,
  set: 14,
  setMany: 4,
  add: 12,
  delete: 6,
  invalidate: 8,
  transaction: 4,
  lease: 2,
};

const kinds = Object.entries(mix).flatMap(([kind, weight]) => Array<MixedKind>(weight).fill(kind as MixedKind));

export interface WorkloadOptions {
  readonly seed: number;
  /** Whose calls: it begins every value that they write. */
  readonly node: string;
  readonly plainKeys: readonly string[];
  readonly counters: readonly string[];
  /** Calls wait up to this long before they are made, in ms. */
  readonly pauseMs: number;
}

/** The calls of one node, the same ones for the same seed. Every value is written once. */
export class Workload {
  readonly #options: WorkloadOptions;
  readonly #random: () => number;
  #values = 0;

  constructor(options: WorkloadOptions) {
    this.#options = options;
    this.#random = seeded(options.seed);
  }

  next(): Operation {
    const limited = this.#random() < 0.7 ? { timeoutMs: 300 + this.#integer(4_700) } : {};
    return { ...this.#make(this.#pick(kinds)), ...limited, afterMs: this.#integer(this.#options.pauseMs) };
  }

  #make(kind: MixedKind): Operation {
    switch (kind) {
      case "getMany":
        return { kind, keys: this.#keys(10) };
      case "getOrSet":
        return { kind, key: this.#key(), value: this.#value(), loadMs: this.#integer(30) };
      case "set":
        return { kind, key: this.#key(), value: this.#value() };
      case "setMany":
        return { kind, entries: this.#entries(5) };
      case "transaction":
        return { kind, entries: this.#entries(3) };
      case "add":
        return { kind, key: this.#pick(this.#options.counters), amount: 1 + this.#integer(8) };
      case "lease":
        return { kind, keys: this.#keys(2), ttlMs: 500 + this.#integer(2_000) };
      default:
        return { kind, key: this.#key() };
    }
  }

  /** Half of the calls meet on a tenth of the keys. */
  #key(): string {
    const { plainKeys } = this.#options;
    const among = this.#random() < 0.5 ? Math.ceil(plainKeys.length / 10) : plainKeys.length;
    return plainKeys[this.#integer(among - 1)] as string;
  }

  #keys(most: number): readonly string[] {
    return [...new Set(Array.from({ length: most }, () => this.#key()))];
  }

  #entries(most: number): Entries {
    return this.#keys(most).map((key) => [key, this.#value()] as const);
  }

  #value(): string {
    this.#values += 1;
    return `${this.#options.node}-${this.#values}`;
  }

  /** From 0 to `most`. */
  #integer(most: number): number {
    return Math.floor(this.#random() * (most + 1));
  }

  #pick<T>(among: readonly T[]): T {
    return among[this.#integer(among.length - 1)] as T;
  }
}
