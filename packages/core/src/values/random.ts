import { randomFillSync } from "node:crypto";

/** Where Warp takes chance from: jitter, backoff, and ids. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** 128 random bits as 22 characters of base64url: unique for ever. */
  id(): string;
}

const pool = Buffer.alloc(4096);
let used = pool.length;

/** Chance of this machine: `Math.random` for jitter, the system's generator for ids. */
export const systemRandom: Random = Object.freeze({
  next: () => Math.random(),
  id: () => {
    // One system call serves 256 ids.
    if (used === pool.length) {
      randomFillSync(pool);
      used = 0;
    }
    used += 16;
    return pool.toString("base64url", used - 16, used);
  },
});

/** A new operation id, for `set(key, value, { op })`: 22 characters of base64url, never the same again. */
export const newOperationId = (): string => systemRandom.id();
