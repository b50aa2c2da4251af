import type { Trace } from "../traces.ts";

/** The requests after which no request for the key follows come after all others. */
const nextUses = (trace: Trace): Uint32Array => {
  const next = new Uint32Array(trace.length);
  const last = new Map<number, number>();
  for (let i = trace.length - 1; i >= 0; i--) {
    const key = trace[i] as number;
    next[i] = last.get(key) ?? trace.length + i;
    last.set(key, i);
  }
  return next;
};

/** A binary heap of numbers, the largest on top. */
class Largest {
  readonly #items: number[] = [];

  push(item: number): void {
    const items = this.#items;
    let at = items.push(item) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if ((items[above] as number) >= item) break;
      items[at] = items[above] as number;
      at = above;
    }
    items[at] = item;
  }

  pop(): number {
    const items = this.#items;
    const top = items[0] as number;
    const item = items.pop() as number;
    if (items.length === 0) return top;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= items.length) break;
      if (below + 1 < items.length && (items[below + 1] as number) > (items[below] as number)) below++;
      if ((items[below] as number) <= item) break;
      items[at] = items[below] as number;
      at = below;
    }
    items[at] = item;
    return top;
  }
}

/**
 * The hit ratio that no policy can beat which holds every key it is asked for: what leaves is what is needed again
 * last (Belady, "A study of replacement algorithms for a virtual-storage computer", 1966). A key that is needed again
 * later than all that is held leaves at once.
 */
export const optimalHitRatio = (trace: Trace, room: number): number => {
  const next = nextUses(trace);
  // Distinct for each request, so a next use also names the key that is held for it.
  const held = new Set<number>();
  const heap = new Largest();
  let hits = 0;
  for (let i = 0; i < trace.length; i++) {
    if (held.delete(i)) hits++;
    const use = next[i] as number;
    held.add(use);
    heap.push(use);
    while (held.size > room) held.delete(heap.pop());
  }
  return hits / trace.length;
};
