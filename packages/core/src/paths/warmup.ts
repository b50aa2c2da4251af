import type { Registration } from "../mechanisms/registration.ts";
import type { StoreAccess } from "../mechanisms/store-access.ts";
import { abortedError } from "../mechanisms/wait.ts";
import { isExact, literalPrefix, reservedPrefix } from "../values/pattern.ts";
import { type Context, requireOpen } from "./context.ts";
import { readKey } from "./read.ts";

/** What `warmup` has done so far. Counts keys. */
export interface WarmupProgress {
  /** Their values are in the caches now. */
  readonly loaded: number;
  /** Neither a cache nor the store has them. */
  readonly missing: number;
  /** Could not be read. */
  readonly failed: number;
}

export interface WarmupOptions {
  readonly signal?: AbortSignal;
  /** Called after each batch. */
  readonly onProgress?: (progress: WarmupProgress) => void;
  /** Keys read in one round trip. Default 256. */
  readonly concurrency?: number;
}

async function* storedKeys(store: StoreAccess, prefix: string): AsyncIterableIterator<string> {
  const iterator = store.store.keys(prefix)[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await store.guard.call({ operation: "warmup" }, () => iterator.next());
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    // Not awaited: a stream that hangs would hang here too.
    void iterator.return?.().catch(() => undefined);
  }
}

/** The keys of one registration: itself, or what the store has of its pattern. */
async function* keysOf(context: Context, registration: Registration): AsyncIterableIterator<string> {
  const { pattern } = registration.policy;
  if (isExact(pattern)) yield pattern;
  else if (context.store !== undefined) {
    for await (const key of storedKeys(context.store, literalPrefix(pattern))) {
      if (!key.startsWith(reservedPrefix) && context.resolve(key) === registration) yield key;
    }
  }
}

const wanted = {
  operation: "warmup",
  loader: undefined,
  persist: "store",
  forced: false,
  timeoutMs: undefined,
} as const;

/** Loads every registered exact key, and every stored key that a registered pattern matches, until the local tier is full. */
export const warmupAll = async (
  context: Context,
  { signal, onProgress, concurrency = 256 }: WarmupOptions,
): Promise<WarmupProgress> => {
  if (signal?.aborted === true) throw abortedError(signal, { operation: "warmup" });
  const progress = { loaded: 0, missing: 0, failed: 0 };
  const evictionsBefore = context.local?.stats.evictions ?? 0;
  const isFull = (): boolean => (context.local?.stats.evictions ?? 0) > evictionsBefore;
  const readAll = async (keys: readonly string[]): Promise<void> => {
    const results = await Promise.allSettled(keys.map((key) => readKey(context, key, { ...wanted, signal })));
    for (const result of results) {
      if (result.status === "rejected") progress.failed++;
      else if (result.value === undefined) progress.missing++;
      else progress.loaded++;
    }
    onProgress?.({ ...progress });
    requireOpen(context, "warmup");
    if (signal?.aborted === true) throw abortedError(signal, { operation: "warmup" });
  };
  let batch: string[] = [];
  for (const registration of [...context.registrations()]) {
    for await (const key of keysOf(context, registration)) {
      batch.push(key);
      if (batch.length < concurrency) continue;
      await readAll(batch);
      batch = [];
      if (isFull()) return progress;
    }
  }
  if (batch.length > 0) await readAll(batch);
  return progress;
};
