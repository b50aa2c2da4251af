import type { Value } from "./subjects/subject.ts";

/** Functions that call one subject again and again. */
export interface Loop {
  /** Awaits `call` for each key, one after another. Returns a checksum, so that nothing can be left out. */
  readonly awaited: (call: (key: string) => Promise<Value | undefined>, keys: readonly string[]) => Promise<number>;
  readonly direct: (call: (key: string) => Value | undefined, keys: readonly string[]) => number;
  readonly written: (call: (key: string, value: Value) => Promise<unknown>, keys: readonly string[]) => Promise<void>;
}

/** @public Loaded by name, see `loopFor`. */
export const loop: Loop = {
  awaited: async (call, keys) => {
    let sum = 0;
    for (const key of keys) sum += (await call(key))?.n ?? Number.NaN;
    return sum;
  },
  direct: (call, keys) => {
    let sum = 0;
    for (const key of keys) sum += call(key)?.n ?? Number.NaN;
    return sum;
  },
  written: async (call, keys) => {
    let n = 0;
    for (const key of keys) await call(key, { n: n++ });
  },
};

/**
 * A copy of `loop` of its own for each subject: V8 compiles a loop for what it has seen called in it, so that a shared
 * one would be as slow as the mixture of all.
 */
export const loopFor = async (subject: string): Promise<Loop> => {
  const module = (await import(`./loop.js?${encodeURIComponent(subject)}`)) as { loop: Loop };
  return module.loop;
};
