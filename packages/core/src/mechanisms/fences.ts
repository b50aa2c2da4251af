import type { Clock } from "../values/clock.ts";
import type { OperationId } from "../values/entry.ts";
import { TransientMap } from "./transient-map.ts";

const mostKeys = 100_000;
const mostFinished = 100_000;

interface Fence {
  readonly operation: OperationId;
  /** On the monotonic clock. */
  until: number;
  readonly keys: Set<string>;
}

/**
 * Keys that strong writes are about to change. While a key is fenced, nothing may fill it: what a load brings may be
 * overtaken by a commit that is on its way. A key is fenced while any operation fences it. A fence is raised by an
 * operation's announcement, and lifted by its outcome or, where nobody tells of that, by time. An operation that has
 * ended is remembered for as long as its fence could have stood, so that an announcement that comes late raises nothing.
 */
export class Fences {
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #fences: TransientMap<Fence> = new TransientMap();
  readonly #byKey: TransientMap<readonly Fence[]> = new TransientMap();
  /** Until when it is remembered, on the monotonic clock. Oldest first. */
  readonly #finished: Map<OperationId, number> = new Map();

  constructor(clock: Pick<Clock, "monotonic">) {
    this.#clock = clock;
  }

  /** Keys that are fenced, or were until lately. */
  get size(): number {
    return this.#byKey.size;
  }

  /**
   * Fences `keys`, and those that the operation fences already for as much longer.
   * @returns Whether they are fenced now: not where the operation has ended, or where too many keys are fenced.
   */
  raise(operation: OperationId, keys: readonly string[], forMs: number): boolean {
    if (this.#finished.has(operation) || this.#byKey.size + keys.length > mostKeys) return false;
    let fence = this.#fences.get(operation);
    if (fence === undefined) {
      fence = { operation, until: 0, keys: new Set() };
      this.#fences.set(operation, fence);
    }
    fence.until = this.#clock.monotonic() + forMs;
    for (const key of keys) {
      if (fence.keys.has(key)) continue;
      fence.keys.add(key);
      this.#byKey.set(key, [...(this.#byKey.get(key) ?? []), fence]);
    }
    return true;
  }

  /** The operation has ended. @param keys Where several announcements tell of it, those that this one is about. */
  lift(operation: OperationId, rememberMs: number, keys?: readonly string[]): void {
    this.#remember(operation, rememberMs);
    const fence = this.#fences.get(operation);
    if (fence === undefined) return;
    for (const key of keys ?? fence.keys) if (fence.keys.delete(key)) this.#unfence(key, fence);
    if (fence.keys.size === 0) this.#fences.delete(operation);
  }

  has(key: string): boolean {
    if (this.#byKey.size === 0) return false;
    const fences = this.#byKey.get(key);
    if (fences === undefined) return false;
    const now = this.#clock.monotonic();
    return fences.some(({ until }) => now < until);
  }

  /** Lets go of what time has lifted. */
  sweep(): void {
    const now = this.#clock.monotonic();
    for (const fence of this.#fences.values()) {
      if (now < fence.until) continue;
      this.#fences.delete(fence.operation);
      for (const key of fence.keys) this.#unfence(key, fence);
    }
    for (const [operation, until] of this.#finished) {
      // Each was remembered for about as long as the next.
      if (now < until) break;
      this.#finished.delete(operation);
    }
  }

  #unfence(key: string, fence: Fence): void {
    const others = this.#byKey.get(key)?.filter((other) => other !== fence) ?? [];
    if (others.length > 0) this.#byKey.set(key, others);
    else this.#byKey.delete(key);
  }

  #remember(operation: OperationId, forMs: number): void {
    this.#finished.delete(operation);
    this.#finished.set(operation, this.#clock.monotonic() + forMs);
    if (this.#finished.size > mostFinished) this.#finished.delete(this.#finished.keys().next().value as string);
  }
}
