import { WarpError, type WarpErrorCode } from "../errors.ts";
import { describeValue } from "../values/invalid.ts";
import { type Context, registrationFor, requireOpen } from "./context.ts";
import { requireLoader } from "./load.ts";
import { readKey } from "./read.ts";
import { readStrongTogether } from "./strong-read.ts";
import type { ReadRequest } from "./waiting.ts";
import { setKey } from "./write.ts";
import type { WriteRequest } from "./write-values.ts";

/** Makes the values of several keys at once. Keys that the result leaves out do not exist. */
export type ManyLoader<V> = (input: {
  readonly keys: readonly string[];
  readonly signal: AbortSignal;
}) => Promise<ReadonlyMap<string, V | undefined>> | ReadonlyMap<string, V | undefined>;

const asWarpError = (error: unknown, key: string, operation: string): WarpError =>
  WarpError.is(error)
    ? error
    : new WarpError("UNAVAILABLE", `${operation} failed for "${key}"`, { key, operation, cause: error });

/** What is true of all; else, where something may have happened, that: whoever sees it must not repeat blindly. */
const collectiveCode = (codes: readonly WarpErrorCode[]): WarpErrorCode => {
  const [first = "UNAVAILABLE"] = codes;
  if (codes.every((code) => code === first)) return first;
  return codes.includes("OUTCOME_UNKNOWN") ? "OUTCOME_UNKNOWN" : "UNAVAILABLE";
};

/** Results by key, or one error that has them all. */
const collect = async (
  keys: readonly string[],
  operation: string,
  work: (key: string, index: number) => Promise<unknown>,
): Promise<Map<string, unknown>> => {
  const settled = await Promise.allSettled(keys.map(work));
  const values = new Map<string, unknown>();
  const errors = new Map<string, WarpError>();
  settled.forEach((result, index) => {
    const key = keys[index] as string;
    if (result.status === "rejected") errors.set(key, asWarpError(result.reason, key, operation));
    else if (result.value !== undefined) values.set(key, result.value);
  });
  const [first] = errors.values();
  if (first === undefined) return values;
  const code = collectiveCode([...errors.values()].map((error) => error.code));
  throw new WarpError(code, `${operation} failed for ${errors.size} of ${keys.length} keys`, {
    operation,
    errors,
    cause: first,
  });
};

/** @returns The values that there are. @throws {WarpError} with `errors`, if any key failed. */
export const getManyKeys = (
  context: Context,
  keys: readonly string[],
  request: ReadRequest,
): Promise<Map<string, unknown>> => {
  requireOpen(context, request.operation);
  const distinct = [...new Set(keys)];
  const strong = strongKeysOf(context, distinct);
  if (strong.length < 2) return collect(distinct, request.operation, (key) => readKey(context, key, request));
  const read = readStrongTogether(context, strong, request);
  return collect(distinct, request.operation, (key) => read(key) ?? readKey(context, key, request));
};

const strongKeysOf = (context: Context, keys: readonly string[]): readonly string[] =>
  keys.filter((key) => context.resolve(key)?.isStrong === true);

interface Wanted {
  readonly signal: AbortSignal;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * One run of a loader for all keys that turn out to need it. A key is decided once it was found, has failed, or asked
 * for its value here; when all are, the loader runs for those that asked. Keys that ask later still, as those do that
 * are refreshed in the background, share a run of their own.
 */
class ManyLoad {
  #wanted: Map<string, Wanted> = new Map();
  readonly #undecided: Set<string>;
  readonly #load: ManyLoader<unknown>;

  constructor(keys: readonly string[], load: ManyLoader<unknown>) {
    this.#undecided = new Set(keys);
    this.#load = load;
  }

  /** The loader of one key. */
  want(key: string, signal: AbortSignal): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#undecided.size === 0 && this.#wanted.size === 0) process.nextTick(() => void this.#run());
      this.#wanted.set(key, { signal, resolve, reject });
      this.decided(key);
    });
  }

  decided(key: string): void {
    if (this.#undecided.delete(key) && this.#undecided.size === 0 && this.#wanted.size > 0) void this.#run();
  }

  async #run(): Promise<void> {
    const wanted = this.#wanted;
    this.#wanted = new Map();
    try {
      const values = await this.#load({ keys: [...wanted.keys()], signal: abortedWithAll([...wanted.values()]) });
      if (typeof values?.get !== "function")
        throw new WarpError("INVALID_VALUE", `a loader of many keys must give a Map; got ${describeValue(values)}`);
      for (const [key, { resolve }] of wanted) resolve(values.get(key));
    } catch (error) {
      for (const { reject } of wanted.values()) reject(error);
    }
  }
}

/** Aborted once nobody waits for any of the keys: one whose callers left does not end the load of the others. */
const abortedWithAll = (wanted: readonly Wanted[]): AbortSignal => {
  const controller = new AbortController();
  let left = wanted.length;
  for (const { signal } of wanted) {
    const leave = (): void => {
      if (--left === 0) controller.abort(signal.reason);
    };
    if (signal.aborted) leave();
    else signal.addEventListener("abort", leave);
  }
  return controller.signal;
};

/** As `getManyKeys`, with one run of `load` for all that neither a cache nor the store has. */
export const getOrSetManyKeys = (
  context: Context,
  keys: readonly string[],
  load: ManyLoader<unknown>,
  request: ReadRequest,
): Promise<Map<string, unknown>> => {
  requireOpen(context, request.operation);
  requireLoader("loadMissing", load);
  requireOpen(context, request.operation);
  const distinct = [...new Set(keys)];
  const many = new ManyLoad(distinct, load);
  return collect(distinct, request.operation, async (key) => {
    const registration = registrationFor(context, key, request.operation);
    // Somebody else's loader runs for this key: the others need not wait for it.
    if (context.flights.current(key, registration, request.forced)?.loaded !== undefined) many.decided(key);
    try {
      return await readKey(context, key, {
        ...request,
        together: true,
        loader: ({ signal }) => many.want(key, signal),
      });
    } finally {
      many.decided(key);
    }
  });
};

/** Independent writes that share round trips. @returns The values as stored. */
export const setManyKeys = (
  context: Context,
  entries: ReadonlyMap<string, unknown>,
  request: WriteRequest,
): Promise<Map<string, unknown>> => {
  requireOpen(context, request.operation);
  return collect([...entries.keys()], request.operation, async (key) => {
    const registration = registrationFor(context, key, request.operation);
    return await setKey(context, registration, key, entries.get(key), { ...request, together: true });
  });
};
