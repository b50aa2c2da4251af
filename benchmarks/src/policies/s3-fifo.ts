import type { Policy } from "./policy.ts";

/**
 * S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023): a small queue of a tenth for
 * what is new, a main queue, and a ghost queue of keys that left the small one. The candidate that `MemoryCache` was
 * measured against; its queues are the insertion orders of maps, as there.
 */
export class S3Fifo implements Policy {
  readonly name = "S3-FIFO";
  readonly #room: number;
  readonly #smallRoom: number;
  /** Key to the number of hits, 3 at most. */
  readonly #small = new Map<number, number>();
  readonly #main = new Map<number, number>();
  readonly #ghost = new Set<number>();

  constructor(room: number) {
    this.#room = room;
    this.#smallRoom = Math.max(1, Math.floor(room / 10));
  }

  request(key: number): boolean {
    for (const queue of [this.#small, this.#main]) {
      const hits = queue.get(key);
      if (hits === undefined) continue;
      if (hits < 3) queue.set(key, hits + 1);
      return true;
    }
    while (this.#small.size + this.#main.size >= this.#room) this.#evict();
    if (this.#ghost.delete(key)) this.#main.set(key, 0);
    else this.#small.set(key, 0);
    return false;
  }

  #evict(): void {
    if (this.#small.size >= this.#smallRoom || this.#main.size === 0) this.#evictSmall();
    else this.#evictMain();
  }

  #evictSmall(): void {
    for (const [key, hits] of this.#small) {
      this.#small.delete(key);
      if (hits > 1) this.#main.set(key, 0);
      else {
        this.#remember(key);
        return;
      }
      if (this.#main.size >= this.#room) return;
    }
  }

  #evictMain(): void {
    for (const [key, hits] of this.#main) {
      this.#main.delete(key);
      if (hits === 0) return;
      this.#main.set(key, hits - 1);
    }
  }

  #remember(key: number): void {
    this.#ghost.add(key);
    if (this.#ghost.size <= this.#room - this.#smallRoom) return;
    for (const oldest of this.#ghost) {
      this.#ghost.delete(oldest);
      return;
    }
  }
}
