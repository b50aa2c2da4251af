import { type CallLimits, type Transaction, type Warp, WarpError } from "@warp/core";
import type { Status, Step, Value } from "./operation.ts";
import type { Ended } from "./recorder.ts";

/**
 * A call on strong keys, as data: who draws it, who makes it and who judges it may be three processes. Every value of a
 * history is to be written by one call only.
 */
export type Call = { readonly hardTimeout?: number } & (
  | { readonly call: "find" | "delete" | "invalidate"; readonly key: string }
  | { readonly call: "getMany" | "read transaction"; readonly keys: readonly string[] }
  | { readonly call: "set"; readonly key: string; readonly value: string }
  | { readonly call: "setMany"; readonly entries: Entries }
  | { readonly call: "add"; readonly key: string; readonly amount: number }
  /** The loader takes `loadMs`, and finds `value`, or with `null` nothing. */
  | { readonly call: "getOrSet"; readonly key: string; readonly value: string | null; readonly loadMs: number }
  /** What it expects it reads before. */
  | { readonly call: "compareAndSwap"; readonly key: string; readonly value: string }
  /** Reads `reads`, then writes `entries`, which may be about other keys. `beside` is not part of the history. */
  | {
      readonly call: "transaction";
      readonly reads: string;
      readonly entries: Entries;
      readonly beside?: readonly [key: string, value: string];
    }
);

export type Entries = readonly (readonly [key: string, value: string])[];

const of = (value: unknown): Value => (value ?? null) as Value;
const write = ([key, value]: Entries[number]): Step => ({ kind: "write", key, value });
const read = (key: string): Step => ({ kind: "read", key });

/** What a call may do, if nobody hears of it again: its parts, each an operation of a history. */
export const partsOf = (call: Call): readonly (readonly Step[])[] => {
  switch (call.call) {
    case "find":
      return [[read(call.key)]];
    case "getMany":
    case "read transaction":
      return [call.keys.map(read)];
    case "set":
    case "compareAndSwap":
      return [[write([call.key, call.value])]];
    case "delete":
      return [[{ kind: "write", key: call.key, value: null }]];
    case "setMany":
      return call.entries.map((entry) => [write(entry)]);
    case "add":
      return [[{ kind: "add", key: call.key, amount: call.amount }]];
    case "getOrSet":
      return [[call.value === null ? read(call.key) : { kind: "create", key: call.key, value: call.value }]];
    case "transaction":
      return [[read(call.reads), ...call.entries.map(write)]];
    case "invalidate":
      return [[]];
  }
};

/** What an error leaves open. The load of a caller who has left goes on, and is kept. */
const statusOf = (call: Call, error: WarpError): Status =>
  error.code === "OUTCOME_UNKNOWN" || (call.call === "getOrSet" && error.code === "DEADLINE_EXCEEDED")
    ? "unknown"
    : "failed";

const failed = (call: Call, error: unknown, steps?: readonly Step[]): Ended => {
  const told = steps === undefined ? {} : { steps };
  if (!WarpError.is(error)) return { status: "unknown", error: String((error as Error).stack), ...told };
  return { status: statusOf(call, error), error: error.code, ...told };
};

/** Each key of `setMany` is written or not by itself. */
const setMany = async (
  warp: Warp,
  call: Call & { readonly call: "setMany" },
  limits: CallLimits | undefined,
): Promise<Ended[]> => {
  let errors: ReadonlyMap<string, unknown> | undefined;
  try {
    await warp.setMany(call.entries, limits);
  } catch (error) {
    errors = WarpError.is(error) ? error.errors : undefined;
    if (errors === undefined) return call.entries.map(() => failed(call, error));
  }
  return call.entries.map(([key]) => (errors?.has(key) === true ? failed(call, errors.get(key)) : { status: "ok" }));
};

const swap = async (
  warp: Warp,
  call: Call & { readonly call: "compareAndSwap" },
  limits: CallLimits | undefined,
): Promise<Ended> => {
  const { key, value } = call;
  let expected: unknown;
  try {
    expected = await warp.find(key);
  } catch (error) {
    return { ...failed(call, error), status: "failed" };
  }
  const steps: Step[] = [{ kind: "swap", key, expected: of(expected), value }];
  try {
    await warp.txn().compareAndSwap(key, expected, value).commit(limits);
    return { status: "ok", steps };
  } catch (error) {
    if (!WarpError.has(error, "CAS_MISMATCH")) return failed(call, error, steps);
    return { status: "ok", steps: [{ kind: "differs", key, other: of(expected) }] };
  }
};

const transaction = async (
  warp: Warp,
  call: Call & { readonly call: "transaction" },
  limits: CallLimits | undefined,
): Promise<Ended> => {
  // Where it ends without an answer, what counts is what its last attempt has seen.
  let steps: readonly Step[] = partsOf(call)[0] ?? [];
  const work = async (txn: Transaction): Promise<void> => {
    steps = [{ kind: "read", key: call.reads, value: of(await txn.get(call.reads)) }, ...call.entries.map(write)];
    for (const [key, value] of call.entries) txn.set(key, value);
    if (call.beside !== undefined) txn.set(...call.beside);
  };
  try {
    await warp.transaction(work, limits);
    return { status: "ok", steps };
  } catch (error) {
    return failed(call, error, steps);
  }
};

const readTransaction = async (
  warp: Warp,
  keys: readonly string[],
  limits: CallLimits | undefined,
): Promise<readonly Step[]> =>
  await warp.transaction(async (txn) => {
    const steps: Step[] = [];
    for (const key of keys) steps.push({ kind: "read", key, value: of(await txn.get(key)) });
    return steps;
  }, limits);

const getOrSet = async (
  warp: Warp,
  { key, value, loadMs }: Call & { readonly call: "getOrSet" },
  limits: CallLimits | undefined,
  pause: (ms: number) => Promise<void>,
): Promise<readonly Step[]> => {
  const load = async (): Promise<Value | undefined> => {
    await pause(loadMs);
    return value ?? undefined;
  };
  const result = of(await warp.getOrSet(key, load, limits));
  // Another's loader may have run, and a caller that came in time is told what came of that one.
  return value === null || result === null
    ? [{ kind: "read", key, value: result }]
    : [{ kind: "create", key, value, result }];
};

type Whole = Exclude<Call, { readonly call: "setMany" | "compareAndSwap" | "transaction" }>;

const make = async (
  warp: Warp,
  call: Whole,
  limits: CallLimits | undefined,
  pause: (ms: number) => Promise<void>,
): Promise<readonly Step[]> => {
  switch (call.call) {
    case "find":
      return [{ kind: "read", key: call.key, value: of(await warp.find(call.key, limits)) }];
    case "getMany": {
      const found = await warp.getMany(call.keys, limits);
      return call.keys.map((key): Step => ({ kind: "read", key, value: of(found.get(key)) }));
    }
    case "read transaction":
      return await readTransaction(warp, call.keys, limits);
    case "set":
      await warp.set(call.key, call.value, limits);
      return [write([call.key, call.value])];
    case "delete":
      return [{ kind: "write", key: call.key, value: null, existed: await warp.delete(call.key, limits) }];
    case "add": {
      const value = (await warp.set(call.key, call.amount, limits)) as number;
      return [{ kind: "add", key: call.key, amount: call.amount, value }];
    }
    case "getOrSet":
      return await getOrSet(warp, call, limits, pause);
    case "invalidate":
      await warp.invalidate(call.key, limits);
      return [];
  }
};

/** Makes a call. Never rejects. @param pause What its loader waits by. @returns How each of `partsOf` ended. */
export const makeCall = async (
  warp: Warp,
  call: Call,
  pause: (ms: number) => Promise<void>,
): Promise<readonly Ended[]> => {
  // Without limits a call is made without options, which is where most short ways begin.
  const limits = call.hardTimeout === undefined ? undefined : { hardTimeout: call.hardTimeout };
  if (call.call === "setMany") return await setMany(warp, call, limits);
  if (call.call === "compareAndSwap") return [await swap(warp, call, limits)];
  if (call.call === "transaction") return [await transaction(warp, call, limits)];
  try {
    return [{ status: "ok", steps: await make(warp, call, limits, pause) }];
  } catch (error) {
    return [failed(call, error)];
  }
};
