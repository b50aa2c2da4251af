import { KeyWaiters } from "./key-waiters.ts";
import { KeyedMutex } from "./keyed-mutex.ts";

/** What a node knows of locks that nodes contend for. */
export class LockBook {
  /** Whose turn it is, of the callers of this node, to contend. */
  readonly turns: KeyedMutex = new KeyedMutex();
  /** Who waits for a release. */
  readonly waiters: KeyWaiters = new KeyWaiters();
  /** What callers of this node hold. */
  readonly held: Set<{ abandon(): void }> = new Set();

  /** The node closes. */
  close(): void {
    for (const lock of this.held) lock.abandon();
  }
}
