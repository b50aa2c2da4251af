import { WarpError } from "../errors.ts";
import type { FillToken } from "../mechanisms/fill-guard.ts";
import { failureIn } from "../mechanisms/guard.ts";
import type { Registration } from "../mechanisms/registration.ts";
import type { Flight } from "../mechanisms/single-flight.ts";
import { late, waitFor, within } from "../mechanisms/wait.ts";
import type { Entry } from "../values/entry.ts";
import { type Context, type Fetched, inBackground } from "./context.ts";
import { type Loader, loadKey } from "./load.ts";
import { mayServeStale } from "./tiers.ts";

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

export type ReadFlight = Flight<Fetched, unknown>;

/** Where a value is expected that a caller can have. */
export const notServed: unique symbol = Symbol("not served");

export const loadedBy = (
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

export interface Wait {
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
export const noteFailure = ({ context, registration, entry }: Wait): void => {
  const { throttleMs } = registration.policy;
  if (entry !== undefined && throttleMs > 0) failedUntil.set(entry, context.clock.monotonic() + throttleMs);
};

/** The expired value, where an attempt to replace it has failed just now. */
export const throttledValue = (context: Context, registration: Registration, entry: Entry): unknown => {
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

export const ofCall = ({ operation }: Pick<ReadRequest, "operation">, error: unknown): unknown =>
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

export const answerWithFailSafe = async (wait: Wait): Promise<unknown> => {
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
