import type { Call, LockCall } from "@warp/tests-histories";
import { seeded } from "@warp/tests-services/seeded";
import type { Operation } from "./protocol.ts";

/** The patterns of keys whose calls make a history, and how many calls meet on the same few keys. */
export const historyPatterns = { plain: "strong:*", sums: "sum:*", locks: "lock:*" } as const;

const callsTogether = 120;
const kinds: readonly (Call["call"] | "lock")[] = [
  ...(["find", "find", "find", "find", "getMany", "getMany", "read transaction", "set", "set", "set"] as const),
  ...(["setMany", "delete", "add", "add", "getOrSet", "getOrSet", "compareAndSwap"] as const),
  ...(["transaction", "transaction", "invalidate", "lock"] as const),
];

/** The keys of the so-manieth group of calls: new ones, so that a history falls into parts that can be searched. */
export const keysOfGroup = (group: number): { readonly plain: readonly string[]; readonly sum: string } => ({
  plain: [`strong:${group}:a`, `strong:${group}:b`, `strong:${group}:c`],
  sum: `sum:${group}`,
});

/** How many groups so many calls make. */
export const groupsOf = (calls: number): number => Math.ceil(calls / callsTogether);

/** Calls on strong keys, the same ones for the same seed, in whatever places they are made. Every value is written by one call. */
export class StrongWorkload {
  readonly #random: () => number;
  #calls = 0;
  #values = 0;

  constructor(seed: number) {
    this.#random = seeded(seed);
  }

  next(): Operation {
    const group = Math.floor(this.#calls++ / callsTogether);
    const timing = { timeoutMs: 500 + this.#integer(3_000), afterMs: this.#integer(20) };
    const kind = this.#pick(kinds);
    return kind === "lock"
      ? { kind, lock: this.#lock(group), ...timing }
      : { kind: "call", call: { ...this.#call(kind, group), hardTimeout: timing.timeoutMs }, ...timing };
  }

  #call(kind: Call["call"], group: number): Call {
    const { plain, sum } = keysOfGroup(group);
    switch (kind) {
      case "getMany":
      case "read transaction":
        return { call: kind, keys: plain };
      case "set":
      case "compareAndSwap":
        return { call: kind, key: this.#pick(plain), value: this.#value() };
      case "setMany":
        return { call: kind, entries: plain.slice(0, 2).map((key) => [key, this.#value()]) };
      case "add":
        return { call: kind, key: sum, amount: 1 + this.#integer(8) };
      case "getOrSet":
        return { call: kind, key: this.#pick(plain), value: this.#value(), loadMs: this.#integer(30) };
      case "transaction": {
        const [reads, other] = [this.#pick(plain), this.#pick(plain)];
        return { call: kind, reads, entries: [...new Set([reads, other])].map((key) => [key, this.#value()]) };
      }
      default:
        return { call: kind, key: this.#pick(plain) };
    }
  }

  /** Some of them pause for longer than they hold it. */
  #lock(group: number): LockCall {
    return {
      key: `lock:${group % 2}`,
      ttl: 100 + this.#integer(400),
      hardTimeout: 2_000 + this.#integer(2_000),
      pauses: Array.from({ length: 1 + this.#integer(1) }, () => this.#integer(250)),
      isRenewed: this.#random() < 0.3,
    };
  }

  #value(): string {
    this.#values += 1;
    return `v${this.#values}`;
  }

  /** From 0 to `most`. */
  #integer(most: number): number {
    return Math.floor(this.#random() * (most + 1));
  }

  #pick<T>(among: readonly T[]): T {
    return among[this.#integer(among.length - 1)] as T;
  }
}
