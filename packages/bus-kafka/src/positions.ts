import type { KafkaOffsets } from "./kafka-client.ts";

/** Where a subscription stands in each partition: the offset of the next frame. Offsets are 64-bit numbers. */
export class Positions {
  readonly #next: Map<number, bigint> = new Map();

  /** @returns The start for a partition not known: it was added later, and everything in it is news. */
  of(partition: number): bigint {
    return this.#next.get(partition) ?? 0n;
  }

  set(partition: number, next: bigint): void {
    this.#next.set(partition, next);
  }

  /** Stands at the end of every partition. */
  startAtEnd(offsets: readonly KafkaOffsets[]): void {
    for (const { partition, high } of offsets) this.#next.set(partition, BigInt(high));
  }

  /** After an outage: where a partition no longer has what comes next, what it has is of no use, and it stands at the end. */
  resume(offsets: readonly KafkaOffsets[]): void {
    for (const { partition, low, high } of offsets) {
      const next = this.of(partition);
      if (next < BigInt(low) || next > BigInt(high)) this.#next.set(partition, BigInt(high));
    }
  }
}
