import { WarpError } from "../errors.ts";
import { type Context, registrationFor } from "./context.ts";
import { type ReadRequest, readKey } from "./read.ts";
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
  const code = [...errors.values()].every((error) => error.code === first.code) ? first.code : "UNAVAILABLE";
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
): Promise<Map<string, unknown>> =>
  collect([...new Set(keys)], request.operation, (key) => readKey(context, key, request));

/**
 * One run of a loader for all keys that turn out to need it. A key is decided once it was found, has failed, or asked
 * for its value here; when all are, the loader runs for those that asked.
 */
class ManyLoad {
  readonly #wanted: Map<string, { resolve: (value: unknown) => void; reject: (error: unknown) => void }> = new Map();
  readonly #undecided: Set<string>;
  readonly #load: ManyLoader<unknown>;
  readonly #controller: AbortController = new AbortController();

  constructor(keys: readonly string[], load: ManyLoader<unknown>) {
    this.#undecided = new Set(keys);
    this.#load = load;
  }

  /** The loader of one key. */
  want(key: string, signal: AbortSignal): Promise<unknown> {
    signal.addEventListener("abort", () => this.#controller.abort(signal.reason));
    return new Promise((resolve, reject) => {
      this.#wanted.set(key, { resolve, reject });
      this.decided(key);
    });
  }

  decided(key: string): void {
    if (this.#undecided.delete(key) && this.#undecided.size === 0 && this.#wanted.size > 0) void this.#run();
  }

  async #run(): Promise<void> {
    try {
      const values = await this.#load({ keys: [...this.#wanted.keys()], signal: this.#controller.signal });
      for (const [key, { resolve }] of this.#wanted) resolve(values.get(key));
    } catch (error) {
      for (const { reject } of this.#wanted.values()) reject(error);
    }
  }
}

/** As `getManyKeys`, with one run of `load` for all that neither a cache nor the store has. */
export const getOrSetManyKeys = (
  context: Context,
  keys: readonly string[],
  load: ManyLoader<unknown>,
  request: ReadRequest,
): Promise<Map<string, unknown>> => {
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
): Promise<Map<string, unknown>> =>
  collect([...entries.keys()], request.operation, async (key) => {
    const registration = registrationFor(context, key, request.operation);
    return await setKey(context, registration, key, entries.get(key), { ...request, together: true });
  });
