import { WarpError } from "../errors.ts";
import { failureFor } from "../mechanisms/guard.ts";
import type { Registration } from "../mechanisms/registration.ts";
import { abortedError, waitFor } from "../mechanisms/wait.ts";
import { type Context, type Fetched, flushFirst, registrationFor } from "./context.ts";
import { askTogether } from "./strong-question.ts";
import { isolateOut } from "./tiers.ts";
import { answerWithFailSafe, loadedBy, ofCall, type ReadRequest } from "./waiting.ts";

const forever = Number.POSITIVE_INFINITY;

/**
 * A read of a strong key: what this node holds is served once the store has confirmed it. A loader runs where the store
 * has nothing; what comes of it is decided by its commit, which whoever joined it before that may share.
 */
export const readStrong = async (
  context: Context,
  key: string,
  registration: Registration,
  request: ReadRequest,
): Promise<unknown> => {
  const { operation, signal, loader, forced, persist } = request;
  if (loader !== undefined && persist === "none")
    throw new WarpError(
      "UNSUPPORTED",
      'persist: "none" is not for strong-distributed keys: caches alone decide nothing',
      {
        key,
        operation,
      },
    );
  const timeoutMs = request.timeoutMs ?? registration.policy.hardTimeoutMs;
  const details = { key, operation };
  const began = context.clock.monotonic();
  let fetched: Fetched;
  try {
    fetched = await waitFor(context.clock, context.questions.ask(key), { signal, timeoutMs, details });
  } catch (error) {
    throw ofCall(request, error);
  }
  if (loader === undefined || (fetched.value !== undefined && !forced)) return isolateOut(context, fetched.value);
  let flight = context.flights.current(key, registration, forced);
  if (flight === undefined) flight = context.flights.start(key, registration, forced, () => Promise.resolve(fetched));
  else registration.meters.loadsSaved++;
  const answer = loadedBy(context, registration, flight, request, fetched.value);
  const leftMs = timeoutMs === undefined ? undefined : Math.max(0, timeoutMs - (context.clock.monotonic() - began));
  const limited = { ...request, timeoutMs: leftMs };
  const wait = { context, key, registration, flight, answer, request: limited, entry: undefined, token: undefined };
  return isolateOut(context, await answerWithFailSafe(wait));
};

/** Several strong keys, as one state of the store. @returns The answer for a key, `undefined` for one that was not asked for. */
export const readStrongTogether = (
  context: Context,
  keys: readonly string[],
  request: ReadRequest,
): ((key: string) => Promise<unknown> | undefined) => {
  const { operation, signal } = request;
  const indexes = new Map(keys.map((key, index) => [key, index]));
  const limits = keys.map((key) => registrationFor(context, key, operation).policy.hardTimeoutMs ?? forever);
  const timeoutMs = request.timeoutMs ?? Math.min(...limits);
  const answers = (async () => {
    if (signal?.aborted === true) throw abortedError(signal, { operation });
    await flushFirst(context, keys, operation, request);
    return await waitFor(context.clock, askTogether(context, keys), { signal, timeoutMs, details: { operation } });
  })();
  return (key) => {
    const index = indexes.get(key);
    if (index === undefined) return undefined;
    return answers.then(
      (all) => {
        const answer = all[index] as (typeof all)[number];
        if ("error" in answer) throw ofCall(request, answer.error);
        return isolateOut(context, answer.value);
      },
      (error: unknown) => {
        throw failureFor(key, ofCall(request, error));
      },
    );
  };
};
