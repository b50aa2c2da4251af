import type { Registration } from "../mechanisms/registration.ts";
import type { Flight } from "../mechanisms/single-flight.ts";
import { abortedError, deadlineError, waitFor } from "../mechanisms/wait.ts";
import { invalid } from "../values/invalid.ts";
import { encodeValue } from "../wire/encode-value.ts";
import type { Context, Fetched } from "./context.ts";
import { createConditionally } from "./create.ts";
import { fetchStored } from "./fetch.ts";
import { fillLocal, fillShared, forget, newLife } from "./tiers.ts";

export interface LoaderInput<V> {
  readonly key: string;
  /** Aborted when nobody waits any more, at the deadline, and when the node closes. */
  readonly signal: AbortSignal;
  /** The value that this run is to replace, if one is known. */
  readonly current: V | undefined;
}

/** Makes a value. `undefined` means that the key does not exist; `null` is a value. */
export type Loader<V> = (input: LoaderInput<V>) => V | undefined | Promise<V | undefined>;

export interface LoadRequest {
  readonly operation: string;
  readonly loader: Loader<unknown>;
  /** `"none"`: the result goes into the caches only. */
  readonly persist: "store" | "none";
  /** Run the loader whatever is there. */
  readonly forced: boolean;
  /** One of many, which share round trips. */
  readonly together: boolean;
  /** An earlier value, out of date. */
  readonly current: unknown;
}

/** @throws {WarpError} `INVALID_ARGUMENT`. */
export const requireLoader = (name: string, loader: unknown): void => {
  if (typeof loader !== "function") throw invalid(name, "a function", loader);
};

/** The signal is made when the loader asks for it: making one costs as much as the rest of a miss. */
const inputOf = (flight: Flight<Fetched, unknown>, current: unknown): LoaderInput<unknown> => ({
  key: flight.key,
  get signal() {
    return flight.signal;
  },
  current,
});

/** Runs the loader with a deadline. Its own error passes as it is. */
const runLoader = async (
  context: Context,
  flight: Flight<Fetched, unknown>,
  request: LoadRequest,
  current: unknown,
): Promise<unknown> => {
  const { key } = flight;
  const timeoutMs = context.settings.loaderDeadlineMs;
  const details = { key, operation: request.operation, port: "loader" as const };
  // Everybody left while the tiers were asked.
  if (flight.aborted) throw abortedError(flight.signal, details);
  const began = context.clock.monotonic();
  const observe = (outcome: string): void =>
    context.meters.portLatency("loader", outcome).observe((context.clock.monotonic() - began) / 1_000);
  // Inside an async function a loader that throws rejects like one whose promise does.
  const work = (async () => request.loader(inputOf(flight, current)))();
  try {
    const value = await waitFor(context.clock, work, { timeoutMs, details });
    observe("ok");
    return value;
  } catch (error) {
    const isLate = context.clock.monotonic() - began >= timeoutMs;
    observe(isLate ? "timeout" : "error");
    if (isLate) flight.abort(deadlineError(timeoutMs, details));
    throw error;
  }
};

/** Keeps what the loader made: in the store where that is asked for, then in the caches. */
const keep = async (
  context: Context,
  registration: Registration,
  flight: Flight<Fetched, unknown>,
  fetched: Fetched,
  request: LoadRequest,
  value: unknown,
): Promise<unknown> => {
  const { key, token } = flight;
  const toStore = context.store !== undefined && request.persist === "store";
  const mustEncode = context.store !== undefined || context.shared !== undefined;
  const encoded = value === undefined || !mustEncode ? undefined : encodeValue(registration.policy.codec, value, key);
  if (toStore && encoded !== undefined) {
    return await createConditionally(context, {
      registration,
      key,
      token,
      operation: request.operation,
      seen: fetched,
      value,
      encoded,
      together: request.together,
    });
  }
  const negative = value === undefined;
  if (registration.isStrong) return await confirmAbsent(context, key);
  if (negative && (registration.policy.negativeTtlMs === 0 || fetched.value !== undefined)) {
    // Where the store holds a value, the loader's word is not to stand for it.
    forget(context, key, token, fetched.claim);
    return value;
  }
  const fill = {
    key,
    registration,
    token,
    value,
    revision: undefined,
    life: newLife(context, key, registration, negative),
  };
  if (fillLocal(context, fill)) {
    fillShared(context, fill, encoded, fetched.claim);
    context.versions?.add(key, value, registration, token.generation, context.clock.now());
  }
  return value;
};

/**
 * A loader says that a strong key does not exist. Callers joined its load long after the store was asked, so it is asked
 * again, for those who have joined by now: others start anew.
 */
const confirmAbsent = async (context: Context, key: string): Promise<unknown> => {
  context.fills.void(key);
  const { value } = await context.questions.ask(key);
  return value;
};

/** A shared tier that knows that the key did not exist is no reason to run a loader: the store may have it by now. */
const whatIsThere = async (
  context: Context,
  registration: Registration,
  flight: Flight<Fetched, unknown>,
): Promise<Fetched> => {
  const { key, token } = flight;
  const fetched = await flight.fetched;
  if (fetched.fromStore || fetched.value !== undefined || context.store === undefined) return fetched;
  const fetch = { context, key, registration, token, entry: undefined, forced: true, onStale: () => undefined };
  return await fetchStored(fetch, context.store, fetched.claim, undefined);
};

/** The second stage of a flight: the loader, where tiers and store had nothing. */
export const loadKey = async (
  context: Context,
  registration: Registration,
  flight: Flight<Fetched, unknown>,
  request: LoadRequest,
): Promise<unknown> => {
  const fetched = await whatIsThere(context, registration, flight);
  if (fetched.value !== undefined && !request.forced) return fetched.value;
  const { meters } = registration;
  let value: unknown;
  try {
    value = await runLoader(context, flight, request, fetched.value ?? request.current);
    meters.loads++;
  } catch (error) {
    meters.loadFailures++;
    throw error;
  }
  return await keep(context, registration, flight, fetched, request, value);
};
