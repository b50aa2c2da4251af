import type { Clock } from "../values/clock.ts";
import type { OperationId } from "../values/entry.ts";
import { RecentIds } from "./recent-ids.ts";
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
  readonly #finished: RecentIds;

  constructor(clock: Pick<Clock, "monotonic">) {
    this.#clock = clock;
    this.#finished = new RecentIds(clock, mostFinished);
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
  lift(operation: OperationId, keys?: readonly string[]): void {
    const fence = this.#fences.get(operation);
    if (fence === undefined) return;
    for (const key of keys ?? fence.keys) if (fence.keys.delete(key)) this.#unfence(key, fence);
    if (fence.keys.size === 0) this.#fences.delete(operation);
  }

  /** As `lift`, for an operation whose announcement may still come. */
  finish(operation: OperationId, rememberMs: number, keys?: readonly string[]): void {
    this.#finished.add(operation, rememberMs);
    this.lift(operation, keys);
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
    this.#finished.sweep();
  }

  #unfence(key: string, fence: Fence): void {
    const others = this.#byKey.get(key)?.filter((other) => other !== fence) ?? [];
    if (others.length > 0) this.#byKey.set(key, others);
    else this.#byKey.delete(key);
  }
}
