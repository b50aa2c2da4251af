import { WarpError } from "../errors.ts";
import type { Registration } from "../mechanisms/registration.ts";
import type { StaleCopy } from "../mechanisms/single-flight.ts";
import { abortedError } from "../mechanisms/wait.ts";
import { type Entry, expiryOf, isDirty, markVisited, TrackedEntry } from "../values/entry.ts";
import { type Context, flushFirst, inBackground, registrationFor } from "./context.ts";
import { fetchKey } from "./fetch.ts";
import { requireLoader } from "./load.ts";
import { readStrong } from "./strong-read.ts";
import { askStrategy, isolateOut, standingOf, strategyTtlMs } from "./tiers.ts";
import {
  answerWithFailSafe,
  loadedBy,
  notServed,
  ofCall,
  type ReadFlight,
  type ReadRequest,
  throttledValue,
} from "./waiting.ts";

const extendLife = (context: Context, key: string, registration: Registration, entry: Entry, now: number): void => {
  const { sliding, strategy, ttlMs, storeTtlMs } = registration.policy;
  if ((strategy?.extendsOnHit !== true && !sliding) || isDirty(entry)) return;
  const lifeMs = strategy === undefined ? ttlMs : strategyTtlMs(context, strategy, key);
  // Not beyond the end that the store sets: nobody announces that one.
  const end =
    storeTtlMs === undefined || entry.storedAt === undefined ? Number.POSITIVE_INFINITY : entry.storedAt + storeTtlMs;
  entry.freshUntil = Math.min(Math.floor(now + lifeMs), end);
  // The entry itself has changed, but a bounded local cache keeps its own account of when entries expire.
  context.local?.set(key, entry);
};

const startFlight = (
  context: Context,
  key: string,
  registration: Registration,
  entry: Entry | undefined,
  forced: boolean,
): ReadFlight =>
  context.flights.start(key, registration, forced, (flight) => {
    const onStale = (copy: StaleCopy): void => {
      flight.stale = copy;
    };
    return fetchKey({ context, key, registration, token: flight.token, entry, forced, onStale });
  });

/** After a refresh ahead of expiry failed, the entry lives on to its expiry without trying again at every hit. */
const stopRefreshing = (context: Context, key: string, entry: Entry): void => {
  if (context.local?.get(key) !== entry) return;
  const expiry = expiryOf(entry);
  // Stored at its expiry, so that the share of life that is left for refreshing is none.
  context.local.set(
    key,
    new TrackedEntry(entry.value, entry.registration, entry.generation, expiry, expiry, entry.revision),
  );
};

const refreshAhead = (
  context: Context,
  key: string,
  registration: Registration,
  entry: Entry,
  request: ReadRequest,
): void => {
  if (context.store === undefined && request.loader === undefined) return;
  if (context.flights.current(key, registration, true) !== undefined) return;
  registration.meters.eagerRefreshes++;
  const flight = startFlight(context, key, registration, entry, true);
  flight.detach();
  const work = loadedBy(context, registration, flight, request, entry.value).catch((error: unknown) => {
    stopRefreshing(context, key, entry);
    throw error;
  });
  inBackground(context, "refresh", key, work);
};

/** What the local tier can answer by itself. */
const serveEntry = (
  context: Context,
  key: string,
  registration: Registration,
  entry: Entry,
  request: ReadRequest,
): unknown => {
  const now = context.now.now();
  const standing = standingOf(entry, registration, now);
  if (standing === "suspect" || standing === "expired") return notServed;
  if (entry.value === undefined) {
    if (request.loader !== undefined) return notServed;
    registration.meters.negativeHits++;
    return undefined;
  }
  if (standing === "eager") refreshAhead(context, key, registration, entry, request);
  markVisited(entry);
  extendLife(context, key, registration, entry, now);
  registration.meters.localHits++;
  return entry.value;
};

/** Whether a reader waits as long as it takes, for what there is, and takes nothing less: most do. */
const isPlain = ({ graceMs, policy }: Registration, { loader, signal, timeoutMs }: ReadRequest): boolean =>
  loader === undefined &&
  signal === undefined &&
  timeoutMs === undefined &&
  policy.hardTimeoutMs === undefined &&
  policy.softTimeoutMs === undefined &&
  graceMs === 0;

/**
 * Everything about a read that the fast path leaves out.
 * @returns The value, or `undefined` if the key does not exist.
 */
export const readKey = async (context: Context, key: string, request: ReadRequest): Promise<unknown> => {
  const registration = registrationFor(context, key, request.operation);
  if (request.loader !== undefined || request.operation === "getOrSet") requireLoader("loader", request.loader);
  const { strategy } = registration.policy;
  if (strategy !== undefined) askStrategy(context, key, () => strategy.record(key));
  if (request.signal?.aborted === true) throw abortedError(request.signal, { key, operation: request.operation });
  // The store is asked, and must not answer with less than this node has written.
  if (request.forced || registration.isStrong || context.dirty?.isPartial(key) === true)
    await flushFirst(context, [key], request.operation, request);
  if (registration.isStrong) return await readStrong(context, key, registration, request);
  const entry = context.local?.get(key);
  if (entry !== undefined && !request.forced) {
    let served = serveEntry(context, key, registration, entry, request);
    if (served === notServed) served = throttledValue(context, registration, entry);
    if (served !== notServed) return isolateOut(context, served);
  }
  let flight = context.flights.current(key, registration, request.forced);
  if (flight === undefined) flight = startFlight(context, key, registration, entry, request.forced);
  else registration.meters.loadsSaved++;
  if (isPlain(registration, request)) {
    // As `answerWithFailSafe` would, with as few promises as can be: a hit in the shared tier costs little else.
    flight.enter();
    try {
      const { value } = await flight.fetched;
      flight.answered(false);
      return isolateOut(context, value);
    } catch (error) {
      flight.detach();
      throw ofCall(request, error);
    }
  }
  const answer = loadedBy(context, registration, flight, request, entry?.value);
  const timeoutMs = request.timeoutMs ?? registration.policy.hardTimeoutMs;
  const wait = { context, key, registration, flight, answer, request: { ...request, timeoutMs }, entry };
  if (context.shared === undefined || registration.graceMs === 0)
    return isolateOut(context, await answerWithFailSafe({ ...wait, token: undefined }));
  const token = context.fills.take(key, registration);
  try {
    return isolateOut(context, await answerWithFailSafe({ ...wait, token }));
  } finally {
    context.fills.release(token);
  }
};

export const notFound = (key: string, operation: string): WarpError =>
  new WarpError("NOT_FOUND", `"${key}" is neither in a cache nor in the store`, { key, operation });

/** @throws {WarpError} `NOT_FOUND` for `undefined`. */
export const requireFound = (value: unknown, key: string, operation: string): unknown => {
  if (value === undefined) throw notFound(key, operation);
  return value;
};

const answerStrong = async (context: Context, operation: string, key: string): Promise<unknown> => {
  const { clock, meters } = context;
  const began = clock.monotonic();
  let value: unknown;
  let outcome = "error";
  try {
    ({ value } = await context.questions.ask(key));
    outcome = "ok";
  } catch (error) {
    throw ofCall({ operation }, error);
  } finally {
    meters.latency(operation, outcome).observe((clock.monotonic() - began) / 1_000);
  }
  return operation === "get" ? requireFound(value, key, operation) : value;
};

/** As `readStrong` answers a reader who waits as long as it takes: what is left then is the question to the store. */
const readStrongPlainly = (context: Context, operation: string, key: string): Promise<unknown> | undefined => {
  const { dirty, local, tracer } = context;
  if (!context.isOpen() || tracer !== undefined || local?.isolate === "clone") return undefined;
  if (dirty !== undefined && dirty.depth > 0) return undefined;
  const registration = context.resolve(key);
  if (registration === undefined || !registration.isStrong) return undefined;
  const { hardTimeoutMs, strategy } = registration.policy;
  return hardTimeoutMs === undefined && strategy === undefined ? answerStrong(context, operation, key) : undefined;
};

/** A read whose caller asks for nothing special, at little cost; `undefined` for one that needs the long way. */
export const readPlainly = (
  context: Context,
  operation: "get" | "find",
  key: string,
  options: object | undefined,
): Promise<never> | undefined => {
  if (options !== undefined) return undefined;
  const answer = context.sharedReads?.ask(operation, key) ?? readStrongPlainly(context, operation, key);
  return answer as Promise<never> | undefined;
};
