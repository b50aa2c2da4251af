/**
 * A reading of a hybrid logical clock (Kulkarni et al., "Logical Physical Clocks", 2014), its two parts folded into
 * one count of microseconds: physical time where that moves on, one more than the last where it does not.
 * Totally ordered: by `micros`, then by `node`.
 */
export interface Timestamp {
  /** Microseconds since the epoch; a whole number below 2^53 (year 2255). */
  readonly micros: number;
  /** Who wrote it. Empty for a writer that is not a Warp node. */
  readonly node: string;
}

/** Negative if `a` is earlier than `b`, 0 if they are the same, positive if later. */
export const compareTimestamps = (a: Timestamp, b: Timestamp): number => {
  if (a.micros !== b.micros) return a.micros - b.micros;
  if (a.node === b.node) return 0;
  return a.node < b.node ? -1 : 1;
};

/** The first timestamp of `node` that is not before `nowMs` and later than `after`. */
export const nextTimestamp = (nowMs: number, node: string, after?: Timestamp): Timestamp => {
  const micros = Math.floor(nowMs * 1000);
  return { micros: after === undefined ? micros : Math.max(micros, after.micros + 1), node };
};
