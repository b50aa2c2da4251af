import { WarpError } from "../errors.ts";
import type { FillToken } from "../mechanisms/fill-guard.ts";
import { failureIn } from "../mechanisms/guard.ts";
import type { Registration } from "../mechanisms/registration.ts";
import type { Flight, StaleCopy } from "../mechanisms/single-flight.ts";
import { abortedError, late, waitFor, within } from "../mechanisms/wait.ts";
import { type Entry, expiryOf, isDirty, markVisited, TrackedEntry } from "../values/entry.ts";
import { type Context, type Fetched, flushFirst, inBackground, registrationFor } from "./context.ts";
import { fetchKey } from "./fetch.ts";
import { type Loader, loadKey, requireLoader } from "./load.ts";
import { askStrategy, isolateOut, mayServeStale, standingOf, strategyTtlMs } from "./tiers.ts";

export interface ReadRequest {
  /** The public call, for errors. */
  readonly operation: string;
  readonly loader: Loader<unknown> | undefined;
  readonly persist: "store" | "none";
  /** Whatever the caches hold, ask the store, or run the loader. */
  readonly forced: boolean;
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number | undefined;
  /** One of many, which share round trips. */
  readonly together?: boolean;
}

type ReadFlight = Flight<Fetched, unknown>;

const notServed: unique symbol = Symbol("not served");

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

const loadedBy = (
  context: Context,
  registration: Registration,
  flight: ReadFlight,
  request: ReadRequest,
  current: unknown,
): Promise<unknown> => {
  const { loader, operation, persist, forced, together = false } = request;
  if (loader === undefined) return flight.fetched.then(({ value }) => value);
  flight.loaded ??= loadKey(context, registration, flight, { loader, operation, persist, forced, together, current });
  return flight.loaded;
};

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

/** The stale value that fail-safe allows, if nothing has overtaken it since the read began. */
const staleValue = ({ context, key, registration, entry, flight, token }: Wait): unknown => {
  const now = context.clock.monotonic();
  if (entry !== undefined && context.local?.get(key) === entry && mayServeStale(entry, registration, now))
    return entry.value;
  const { stale } = flight;
  if (stale === undefined || token === undefined || !context.fills.isValid(token) || now >= stale.until)
    return undefined;
  // A new epoch may stand for a drop of everything: what came before it is no mere suspect.
  if (stale.epoch === undefined || stale.epoch !== context.epochs?.trusted) return undefined;
  const isSuspect = token.generation !== registration.generation;
  return isSuspect && !registration.policy.graceForSuspects ? undefined : stale.value;
};

interface Wait {
  readonly context: Context;
  readonly key: string;
  readonly registration: Registration;
  readonly flight: ReadFlight;
  readonly answer: Promise<unknown>;
  readonly request: ReadRequest;
  /** A local entry that is out of date. */
  readonly entry: Entry | undefined;
  /** This caller's own, where the shared tier may have what fail-safe serves: voided by what comes meanwhile. */
  readonly token: FillToken | undefined;
}

const patientAnswer = async (wait: Wait): Promise<unknown> => {
  const { context, key, registration, flight, answer, request } = wait;
  const { signal, timeoutMs, operation } = request;
  const details = { key, operation };
  const softMs = registration.policy.softTimeoutMs;
  if (softMs === undefined || (wait.token === undefined && staleValue(wait) === undefined)) {
    return await waitFor(context.clock, answer, { signal, timeoutMs, details });
  }
  const early = within(context.clock, answer, Math.min(softMs, timeoutMs ?? softMs));
  const first = await waitFor(context.clock, early, { signal, details });
  if (first !== late) return first;
  const stale = staleValue(wait);
  if (stale === undefined) {
    const leftMs = timeoutMs === undefined ? undefined : Math.max(0, timeoutMs - softMs);
    return await waitFor(context.clock, answer, { signal, timeoutMs: leftMs, details });
  }
  registration.meters.staleWhileSlow++;
  // Once for all who share it, so that its failure is told once.
  if (flight.detach()) inBackground(context, "refresh", key, answer);
  answer.catch(() => noteFailure(wait));
  return stale;
};

/** Until when, on the monotonic clock, an expired entry is served without another try to replace it. Ends with the entry. */
const failedUntil: WeakMap<Entry, number> = new WeakMap();

/** An expired entry could not be replaced: for a while its readers need not try again. */
const noteFailure = ({ context, registration, entry }: Wait): void => {
  const { throttleMs } = registration.policy;
  if (entry !== undefined && throttleMs > 0) failedUntil.set(entry, context.clock.monotonic() + throttleMs);
};

/** The expired value, where an attempt to replace it has failed just now. */
const throttledValue = (context: Context, registration: Registration, entry: Entry): unknown => {
  const until = registration.graceMs === 0 ? undefined : failedUntil.get(entry);
  if (until === undefined) return notServed;
  const now = context.clock.monotonic();
  if (now >= until || !mayServeStale(entry, registration, now)) return notServed;
  registration.meters.staleServed++;
  return entry.value;
};

/** Where a failing cache is to surface, fail-safe does not hide it: that is for the store and the loader. */
const isOfCache = (error: unknown): boolean =>
  WarpError.is(error) && (error.port === "shared-cache" || error.port === "local-cache");

const ofCall = ({ operation }: ReadRequest, error: unknown): unknown =>
  WarpError.is(error) && error.operation !== operation ? failureIn(operation, error) : error;

/** What failed is told as the caller's own call; whoever shares a flight may have made another. The loader's error stays as it is. */
const ownFailure = async ({ flight, request }: Wait, error: unknown): Promise<unknown> => {
  const own = ofCall(request, error);
  if (own === error) return error;
  const ofPort = await flight.fetched.then(
    () => undefined,
    (failure: unknown) => failure,
  );
  return ofPort === error ? own : error;
};

const answerWithFailSafe = async (wait: Wait): Promise<unknown> => {
  const { context, registration, flight, request } = wait;
  flight.enter();
  try {
    const value = await patientAnswer(wait);
    flight.answered(request.loader !== undefined);
    return value;
  } catch (error) {
    if (WarpError.has(error, "ABORTED") && request.signal?.aborted === true) {
      flight.leave();
      throw error;
    }
    flight.detach();
    const stale = isOfCache(error) ? undefined : staleValue(wait);
    if (stale === undefined) throw await ownFailure(wait, error);
    noteFailure(wait);
    registration.meters.staleServed++;
    // While its breaker is open nothing new is learned of the store, and a line for each read would fill the log.
    const level = (context.store?.guard.state ?? "closed") === "closed" ? "warn" : "debug";
    context.logger[level](
      { err: error, operation: request.operation, node: context.settings.node },
      "serving an expired value: it could not be replaced",
    );
    return stale;
  }
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
  if (request.forced || context.dirty?.isPartial(key) === true)
    await flushFirst(context, [key], request.operation, request);
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

/** @throws {WarpError} `NOT_FOUND` for `undefined`. */
export const requireFound = (value: unknown, key: string, operation: string): unknown => {
  if (value === undefined)
    throw new WarpError("NOT_FOUND", `"${key}" is neither in a cache nor in the store`, { key, operation });
  return value;
};
