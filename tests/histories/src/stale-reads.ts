import { type Operation, sameValue, type Value } from "./operation.ts";

export interface StaleReads {
  readonly reads: number;
  /** Answered with what had been replaced, by a write that had ended, before the read began. */
  readonly stale: number;
  /** By how long, in milliseconds: from the end of the write that replaced it to the beginning of the read. */
  readonly medianMs: number;
  readonly longestMs: number;
}

interface Written {
  readonly value: Value;
  readonly start: number;
  readonly end: number;
}

const writesOf = (operations: readonly Operation[]): ReadonlyMap<string, Written[]> => {
  const writes = new Map<string, Written[]>();
  for (const { steps, status, start, end } of operations) {
    if (status === "failed") continue;
    const until = status === "ok" && end !== null ? end : Number.POSITIVE_INFINITY;
    for (const step of steps) {
      // A creation that found something wrote nothing.
      const wrote = step.kind === "create" ? (step.result ?? step.value) === step.value : true;
      if (!wrote || (step.kind !== "write" && step.kind !== "swap" && step.kind !== "create")) continue;
      writes.set(step.key, [...(writes.get(step.key) ?? []), { value: step.value, start, end: until }]);
    }
  }
  return writes;
};

/**
 * Counts what goes wrong where nothing is promised: reads that gave a value which another write had certainly replaced
 * before they began. Values but `null` must be written once each.
 */
export const countStaleReads = (operations: readonly Operation[]): StaleReads => {
  const writes = writesOf(operations);
  const ages: number[] = [];
  let reads = 0;
  for (const { steps, status, start } of operations) {
    if (status !== "ok") continue;
    for (const step of steps) {
      if (step.kind !== "read" || step.value === undefined) continue;
      reads++;
      const seen = step.value;
      const all = writes.get(step.key) ?? [];
      const ends = all.filter(({ value }) => sameValue(value, seen)).map(({ end }) => end);
      // Nothing is what a key holds at first; of any other value that nobody wrote, nothing can be said.
      const last = Math.max(seen === null ? Number.NEGATIVE_INFINITY : (ends[0] ?? Number.POSITIVE_INFINITY), ...ends);
      const replaced = all
        .filter(({ value, start: began, end }) => !sameValue(value, seen) && began > last && end < start)
        .map(({ end }) => end);
      if (replaced.length > 0) ages.push(start - Math.min(...replaced));
    }
  }
  ages.sort((a, b) => a - b);
  return {
    reads,
    stale: ages.length,
    medianMs: ages[Math.floor(ages.length / 2)] ?? 0,
    longestMs: ages.at(-1) ?? 0,
  };
};
