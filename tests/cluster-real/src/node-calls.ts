import { type CallLimits, type Warp, WarpError } from "@warp/core";
import { type Ended, makeCall, makeLockCall } from "@warp/tests-histories";
import { type Ending, type FromNode, monotonicMs, type Operation } from "./protocol.ts";

/** What faults explain. Any other failure of a call is a bug. */
const expected: ReadonlySet<string> = new Set([
  "UNAVAILABLE",
  "DEADLINE_EXCEEDED",
  "OUTCOME_UNKNOWN",
  "CONFLICT",
  "LEASE_ENDED",
  "QUORUM_NOT_SATISFIED",
  "CLOSED",
]);

export interface CallEnd {
  readonly ending: Ending;
  readonly unexpected?: string;
  readonly endings?: Readonly<Record<string, string>>;
  readonly parts?: readonly Ended[];
}

type Recorded = Operation & { readonly kind: "call" | "lock" };
type Plain = Exclude<Operation, { readonly kind: "call" | "lock" }>;

/** What a loader made, and when it began: whoever reads the value later can tell whether it may be there. */
export const loadedValue = (value: string, beganAt: number): string => `loader:${value}@${beganAt}`;

/** When the loader of a value began; `undefined` if no loader made it. */
export const loaderBeganAt = (value: string): number | undefined =>
  value.startsWith("loader:") ? Number(value.slice(value.lastIndexOf("@") + 1)) : undefined;

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

const lease = async (
  warp: Warp,
  keys: readonly string[],
  ttl: number,
  limits: CallLimits | undefined,
): Promise<void> => {
  const granted = await warp.grantLease({ ttl, ...limits });
  for (const key of keys) await warp.attachKey(granted, key, limits);
};

const make = (warp: Warp, operation: Plain): Promise<unknown> => {
  // Without limits a call is made without options, which is where most short ways begin.
  const limits = operation.timeoutMs === undefined ? undefined : { hardTimeout: operation.timeoutMs };
  switch (operation.kind) {
    case "find":
      return warp.find(operation.key, limits);
    case "delete":
      return warp.delete(operation.key, limits);
    case "invalidate":
      return warp.invalidate(operation.key, limits);
    case "getMany":
      return warp.getMany(operation.keys, limits);
    case "getOrSet": {
      const load = async (): Promise<string> => {
        const beganAt = monotonicMs();
        await pause(operation.loadMs);
        return loadedValue(operation.value, beganAt);
      };
      return warp.getOrSet(operation.key, load, limits);
    }
    case "set":
      return warp.set(operation.key, operation.value, limits);
    case "setMany":
      return warp.setMany(operation.entries, limits);
    case "add":
      return warp.set(operation.key, operation.amount, limits);
    case "transaction": {
      const { entries } = operation;
      const work = warp.transaction((transaction) => {
        for (const [key, value] of entries) transaction.set(key, value);
      });
      return work;
    }
    case "lease":
      return lease(warp, operation.keys, operation.ttlMs, limits);
  }
};

const describe = (error: unknown): string => {
  if (!WarpError.is(error)) return error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `${error.code}: ${error.message} (${error.operation}, ${error.port}); cause: ${String(error.cause)}`;
};

const endOf = (error: unknown): CallEnd => {
  if (!WarpError.is(error)) return { ending: "not a WarpError", unexpected: describe(error) };
  const endings = error.errors && Object.fromEntries([...error.errors].map(([key, own]) => [key, own.code]));
  const codes = [error.code, ...Object.values(endings ?? {})];
  return {
    ending: error.code,
    ...(endings === undefined ? {} : { endings }),
    ...(codes.every((code) => expected.has(code)) ? {} : { unexpected: describe(error) }),
  };
};

const unexpectedOf = (code: string | undefined): Pick<CallEnd, "unexpected"> =>
  code === undefined || expected.has(code) ? {} : { unexpected: code };

/** Makes a call that is part of a history. */
const recorded = async (warp: Warp, operation: Recorded, tell: (message: FromNode) => void): Promise<CallEnd> => {
  if (operation.kind === "lock") {
    const code = await makeLockCall(warp, operation.lock, {
      now: monotonicMs,
      pause,
      onEvent: (event) => tell({ type: "lock", event }),
      write: async (lock, token) => tell({ type: "guarded", lock, token: String(token) }),
    });
    return { ending: code, ...unexpectedOf(code) };
  }
  const parts = await makeCall(warp, operation.call, pause);
  const wrong = parts.find(({ error }) => error !== undefined && !expected.has(error));
  return { ending: parts[0]?.error, parts, ...unexpectedOf(wrong?.error) };
};

/** Makes one call. Never rejects. @param tell Sends what is to be known before the call ends. */
export const callOn = async (warp: Warp, operation: Operation, tell: (message: FromNode) => void): Promise<CallEnd> => {
  if (operation.kind === "call" || operation.kind === "lock") return await recorded(warp, operation, tell);
  try {
    await make(warp, operation);
    return { ending: undefined };
  } catch (error) {
    return endOf(error);
  }
};

/** How long a call may take without `hardTimeout`, by the deadlines of its ports (docs/consistency.md, rule 6), in ms. */
const naturalMs = (operation: Operation): number => {
  const cache = 250;
  const store = 2_000;
  const write = 2 * store + cache;
  const read = 2 * cache + store;
  switch (operation.kind) {
    case "find":
    case "getMany":
      return read;
    case "getOrSet":
      return read + operation.loadMs + write;
    case "lease":
      return write * (1 + operation.keys.length);
    case "transaction":
      // Each of its attempts is a write.
      return 4 * write;
    case "lock": {
      const { hardTimeout, pauses } = operation.lock;
      // A strong write waits for the bus too. Whoever got the lock renews it before each write, and lets it go.
      return hardTimeout + pauses.reduce((sum, ms) => sum + ms, 0) + (pauses.length + 1) * (write + store);
    }
    case "call":
      // What is to be swapped is read before.
      return (operation.call.hardTimeout ?? 2 * write) + (operation.call.call === "compareAndSwap" ? read : 0);
    default:
      return write;
  }
};

/** What timers, collections and turns of other calls may add. */
const marginMs = 500;

/** How long a call may take before it is late, in ms. */
export const limitMs = (operation: Operation): number => {
  const { timeoutMs } = operation;
  const each = operation.kind === "lease" ? 1 + operation.keys.length : 1;
  // Their limits are not passed as one of the call's.
  const isNatural = operation.kind === "transaction" || operation.kind === "call" || operation.kind === "lock";
  const limited = timeoutMs === undefined || isNatural ? undefined : timeoutMs * each;
  return (limited ?? naturalMs(operation)) + marginMs;
};
