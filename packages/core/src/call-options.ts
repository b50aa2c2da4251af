import { abortedError, waitFor } from "./mechanisms/wait.ts";
import { flag, oneOf } from "./options.ts";
import type { Context } from "./paths/context.ts";
import type { ReadRequest } from "./paths/waiting.ts";
import type { WarmupOptions } from "./paths/warmup.ts";
import type { WriteRequest } from "./paths/write-values.ts";
import { type Duration, durationMs } from "./values/duration.ts";
import type { OperationId } from "./values/entry.ts";
import { invalid, requireKnownFields, wholeNumber } from "./values/invalid.ts";
import { type CallLimits, limitsOf, requireSignal } from "./values/limits.ts";

export interface ReadOptions extends CallLimits {
  /** Whatever the caches hold, ask the store; with a loader, run it. Default false. */
  readonly refresh?: boolean;
}

export interface LoadOptions extends ReadOptions {
  /** `"none"`: what the loader makes goes into the caches only. Default `"store"`. */
  readonly persist?: "store" | "none";
}

export interface SetOptions extends CallLimits {
  /**
   * An operation id (`newOperationId()`), so that the call can be repeated after `OUTCOME_UNKNOWN` without taking effect
   * twice, as long as fewer than 16 other operations on the key came between. Costs one read of the store.
   */
  readonly op?: OperationId;
}

const limitFields = ["signal", "hardTimeout"] as const;
const loads: ReadonlySet<string> = new Set(["getOrSet", "getOrSetMany"]);

/** As `limitsOf`, for a call that takes nothing else. */
export const onlyLimits = (operation: string, options: unknown): ReturnType<typeof limitsOf> => {
  requireKnownFields(operation, options, limitFields);
  return limitsOf(options as CallLimits);
};

/**
 * Runs a call whose work goes on whoever waits for it: its limits end only the waiting.
 * @throws {WarpError} `INVALID_ARGUMENT` before anything is done; `ABORTED`; `DEADLINE_EXCEEDED`.
 */
export const limited = async <T>(
  { clock }: Pick<Context, "clock">,
  operation: string,
  options: CallLimits | undefined,
  run: () => Promise<T>,
): Promise<T> => {
  if (options === undefined) return await run();
  const { signal, timeoutMs } = onlyLimits(operation, options);
  if (signal?.aborted === true) throw abortedError(signal, { operation });
  return await waitFor(clock, run(), { signal, timeoutMs, details: { operation } });
};

const plainReads = new Map<string, ReadRequest>();

/** One object for all calls without options: most calls. */
const plainRead = (operation: string): ReadRequest => {
  let request = plainReads.get(operation);
  if (request === undefined) {
    request = Object.freeze({
      operation,
      loader: undefined,
      persist: "store",
      forced: false,
      signal: undefined,
      timeoutMs: undefined,
    });
    plainReads.set(operation, request);
  }
  return request;
};

/** @throws {WarpError} `INVALID_ARGUMENT` naming the field. */
export const readRequest = (operation: string, options: LoadOptions | undefined): ReadRequest => {
  if (options === undefined) return plainRead(operation);
  requireKnownFields(operation, options, [
    ...limitFields,
    ...(loads.has(operation) ? ["refresh", "persist"] : ["refresh"]),
  ]);
  const persist = oneOf("persist", options.persist, ["store", "none"], "store");
  return { operation, loader: undefined, persist, forced: flag("refresh", options.refresh), ...limitsOf(options) };
};

const plainWrites = new Map<string, WriteRequest>();

/** @throws {WarpError} `INVALID_ARGUMENT` naming the field. */
export const writeRequest = (operation: string, options: SetOptions | undefined): WriteRequest => {
  if (options === undefined) {
    const request =
      plainWrites.get(operation) ??
      Object.freeze({ operation, signal: undefined, timeoutMs: undefined, op: undefined });
    plainWrites.set(operation, request);
    return request;
  }
  // One id names one operation on one key.
  requireKnownFields(operation, options, operation === "setMany" ? limitFields : [...limitFields, "op"]);
  const { op } = options;
  if (op !== undefined && (typeof op !== "string" || !/^[\w-]{22}$/.test(op))) {
    throw invalid("op", "an operation id, 22 characters of base64url", op);
  }
  return { operation, op, ...limitsOf(options) };
};

/** Milliseconds since the epoch. @throws {WarpError} `INVALID_ARGUMENT`. */
export const instantOf = (field: string, value: unknown): number => {
  const ms = Object.prototype.toString.call(value) === "[object Date]" ? (value as Date).getTime() : value;
  if (typeof ms === "number" && Number.isFinite(ms)) return ms;
  throw invalid(field, "a Date or milliseconds since the epoch", value);
};

/** @throws {WarpError} `INVALID_ARGUMENT` naming the argument. */
export const requireFunction = (field: string, value: unknown): void => {
  if (typeof value !== "function") throw invalid(field, "a function", value);
};

const isIterable = (value: unknown): value is Iterable<unknown> =>
  typeof value === "object" && value !== null && Symbol.iterator in value;

/** @throws {WarpError} `INVALID_ARGUMENT`. */
export const keysOf = (keys: unknown): readonly string[] => {
  if (!isIterable(keys)) throw invalid("keys", "an array of keys", keys);
  return [...keys] as string[];
};

/** The last value of each key. @throws {WarpError} `INVALID_ARGUMENT`. */
export const entriesOf = (entries: unknown): ReadonlyMap<string, unknown> => {
  const accepted = "an iterable of [key, value] pairs";
  if (!isIterable(entries)) throw invalid("entries", accepted, entries);
  const values = new Map<string, unknown>();
  for (const entry of entries) {
    if (!Array.isArray(entry)) throw invalid("entries", accepted, entry);
    values.set(entry[0], entry[1]);
  }
  return values;
};

/** @throws {WarpError} `INVALID_ARGUMENT` naming the field. */
export const warmupRequest = (options: WarmupOptions): WarmupOptions => {
  requireKnownFields("warmup", options, ["signal", "onProgress", "concurrency"]);
  requireSignal(options.signal);
  if (options.onProgress !== undefined) requireFunction("onProgress", options.onProgress);
  if (options.concurrency !== undefined) wholeNumber("concurrency", options.concurrency, 1);
  return options;
};

/** How long the end of a node, or of what it has under way, may take. @throws {WarpError} `INVALID_ARGUMENT`. */
export const timeoutOf = (operation: string, options: { readonly timeout?: Duration }): number => {
  requireKnownFields(operation, options, ["timeout"]);
  return durationMs("timeout", options.timeout === undefined ? 10_000 : options.timeout);
};
