/** Some of the items of a call, to go in one command. */
export interface Batch<T> {
  /** Where they stood in the call. */
  readonly places: readonly number[];
  readonly items: readonly T[];
  /** The Cluster's slot, or 0 where there is none. */
  readonly slot: number;
}

export interface BatchRules<T> {
  /** The slot of a Cluster that an item belongs to; `undefined` for a single server. */
  readonly slotOf: ((item: T) => number) | undefined;
  readonly bytesOf: (item: T) => number;
}

// A server does nothing else during a command: 500 keys take it less than a millisecond.
const mostItems = 500;
const mostBytes = 1 << 20;

interface Open<T> {
  places: number[];
  items: T[];
  slot: number;
  bytes: number;
}

/** Cuts a call into commands that a server carries out quickly, each for one slot. Items keep their order within a slot. */
export const batchesOf = <T>(items: readonly T[], { slotOf, bytesOf }: BatchRules<T>): readonly Batch<T>[] => {
  const isOne = slotOf === undefined && items.length <= mostItems;
  if (isOne && items.reduce((sum, item) => sum + bytesOf(item), 0) <= mostBytes)
    return items.length === 0 ? [] : [{ places: items.map((_, place) => place), items, slot: 0 }];
  const batches: Batch<T>[] = [];
  const open = new Map<number, Open<T>>();
  for (const [place, item] of items.entries()) {
    const slot = slotOf === undefined ? 0 : slotOf(item);
    const bytes = bytesOf(item);
    let batch = open.get(slot);
    if (batch === undefined || batch.items.length >= mostItems || batch.bytes + bytes > mostBytes) {
      batch = { places: [], items: [], slot, bytes: 0 };
      open.set(slot, batch);
      batches.push(batch);
    }
    batch.places.push(place);
    batch.items.push(item);
    batch.bytes += bytes;
  }
  return batches;
};
