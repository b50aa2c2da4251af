/** 1234567 → "1,234,567". */
export const grouped = (value: number): string => value.toLocaleString("en-GB");

/** 0.4321 → "43.2 %". */
export const percent = (share: number): string => (Number.isFinite(share) ? `${(share * 100).toFixed(1)} %` : "–");

/** Milliseconds, in the unit that reads best. */
export const duration = (ms: number): string => {
  if (ms >= 1_000) return `${(ms / 1_000).toFixed(1)} s`;
  return ms >= 1 ? `${ms.toFixed(1)} ms` : `${(ms * 1_000).toFixed(1)} µs`;
};
