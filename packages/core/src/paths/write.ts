import { WarpError } from "../errors.ts";
import type { FillToken } from "../mechanisms/fill-guard.ts";
import type { Registration } from "../mechanisms/registration.ts";
import type { StoreAccess } from "../mechanisms/store-access.ts";
import { abortedError } from "../mechanisms/wait.ts";
import type { StoredRecord } from "../ports/store.ts";
import { isDirty, type OperationId, type Revision } from "../values/entry.ts";
import { encodeValue } from "../wire/encode-value.ts";
import { type Agreement, agreed } from "./agreement.ts";
import { type CommitRun, revisionLeft } from "./commit.ts";
import { type Context, flushFirst, registrationFor } from "./context.ts";
import { dropLocal, fillLocal, isolateOut, newLife } from "./tiers.ts";
import { deleteWithoutStore, setWithoutStore } from "./write-local.ts";
import { commitLoop, type Known, runWrite } from "./write-run.ts";
import {
  deleteMutation,
  guess,
  knownFrom,
  knownToReplace,
  mergeValues,
  nothing,
  putMutation,
  type WriteRequest,
  writeCall,
} from "./write-values.ts";

/** What a write left in the store. */
export interface Written {
  /** Taken before the commit was sent. */
  readonly token: FillToken;
  /** `undefined` after a delete. */
  readonly value: unknown;
  /** `undefined` if it is not known to be what the store holds. */
  readonly revision: Revision | undefined;
}

/** Puts a write's own value into the local tier in place of what was there, unless something overtook it (rule 2). */
export const applyLocally = (
  context: Context,
  registration: Registration,
  key: string,
  { token, value, revision }: Written,
): void => {
  const stood = context.fills.claim(token);
  const entry = context.local?.get(key);
  // What a strong-local write put there meanwhile may have reached the store before this one did.
  if (entry !== undefined && isDirty(entry)) {
    dropLocal(context, key);
    return;
  }
  if (entry !== undefined) context.local?.delete(key);
  if (!stood || value === undefined || revision === undefined) return;
  fillLocal(context, {
    key,
    registration,
    token,
    value,
    revision,
    life: newLife(context, key, registration, false, registration.policy.storeTtlMs),
  });
};

/** @throws {WarpError} `ABORTED` if the caller has left already. */
const requireWaiting = ({ signal, operation }: WriteRequest, key: string): void => {
  if (signal?.aborted === true) throw abortedError(signal, { operation, key });
};

/** @throws {WarpError} `UNSUPPORTED` for a named operation where no record remembers it. */
const requireUnnamed = ({ op, operation }: WriteRequest, key: string): void => {
  if (op === undefined) return;
  throw new WarpError("UNSUPPORTED", "op needs a store that the call writes to: not without one, nor strong-local", {
    operation,
    key,
  });
};

/** What a named operation left, if it has taken place already: then the call is a repetition. */
const repeated = async (
  store: StoreAccess,
  registration: Registration,
  key: string,
  op: OperationId,
): Promise<{ readonly known: Known; readonly done: boolean }> => {
  const record = (await store.get(key)) as StoredRecord | undefined;
  return { known: knownFrom(registration, key, record), done: record?.operations.includes(op) === true };
};

/** One write of one key on its way to the store. */
interface StoreWrite {
  readonly context: Context;
  readonly store: StoreAccess;
  readonly registration: Registration;
  readonly key: string;
  readonly request: WriteRequest;
  readonly run: CommitRun;
}

/**
 * What a write begins with: what the node guessed, or what the store says where guessing is likely to cost more.
 * @returns `done`: the named operation has taken place already, and this is what it left.
 */
const whatToReplace = async (
  { store, registration, key, request }: StoreWrite,
  guessed: Known,
): Promise<{ readonly known: Known; readonly done: boolean }> => {
  if (request.op !== undefined) return await repeated(store, registration, key, request.op);
  const { isStrong, policy } = registration;
  // One round trip more where the key is new, one less where it is not, as most that are merged are: a refused commit
  // costs a store two, and carried the value in vain. Many at once stay at one. A strong write waits for others anyway.
  const asks = isStrong || (policy.merge?.readsCurrent === true && request.together !== true);
  if (guessed !== nothing || !asks) return { known: guessed, done: false };
  const record = (await store.get(key)) as StoredRecord | undefined;
  return { known: knownToReplace(registration, key, record), done: false };
};

const commitSet = async (write: StoreWrite, value: unknown, guessed: Known, agreement: Agreement): Promise<unknown> => {
  const { context, store, registration, key, request, run } = write;
  const token = context.fills.take(key, registration);
  try {
    const before = await whatToReplace(write, guessed);
    let { known } = before;
    if (before.done) {
      agreement.withdraw();
      return known.value;
    }
    const landed = await commitLoop(context, {
      run,
      store,
      operation: request.op,
      ready: agreement.ready,
      plan: () => {
        const result = mergeValues(registration, key, known.value, value);
        return { mutations: [putMutation(context, registration, key, known.revision, result)], result };
      },
      learn: (conflicts) => {
        known = knownToReplace(registration, key, conflicts.get(key));
      },
    });
    // A named operation may have landed for a repetition of the call, which knew of another value to merge with.
    const result = request.op === undefined ? landed.result : knownFrom(registration, key, landed.records[0]).value;
    const written = { token, value: result, revision: revisionLeft(landed) };
    await agreement.conclude([key], () => applyLocally(context, registration, key, written));
    return result;
  } finally {
    context.fills.release(token);
  }
};

const setInStore = (
  context: Context,
  store: StoreAccess,
  registration: Registration,
  key: string,
  value: unknown,
  request: WriteRequest,
): Promise<unknown> =>
  runWrite(context, writeCall(registration, [key], request), async (run) => {
    const write = { context, store, registration, key, request, run };
    const guessed = guess(context, key, registration);
    return await agreed(context, run, new Map([[key, registration]]), (agreement) =>
      commitSet(write, value, guessed, agreement),
    );
  });

/**
 * Merge, store, local tier, shared tier, and in the background the bus.
 * @returns The value as stored.
 */
export const setKey = async (
  context: Context,
  registration: Registration,
  key: string,
  value: unknown,
  request: WriteRequest,
): Promise<unknown> => {
  registration.meters.writes++;
  requireWaiting(request, key);
  if (context.store === undefined || !registration.isDistributed) requireUnnamed(request, key);
  if (context.store === undefined) return await setWithoutStore(context, registration, key, value, request);
  if (context.dirty !== undefined && !registration.isDistributed) {
    const timeoutMs = request.timeoutMs ?? registration.policy.hardTimeoutMs ?? context.settings.storeDeadlineMs;
    return isolateOut(
      context,
      await context.dirty.set(key, registration, value, { timeoutMs, signal: request.signal }),
    );
  }
  // What waits for the store under a mode that the key had before comes first.
  if (context.dirty !== undefined && context.dirty.depth > 0)
    await flushFirst(context, [key], request.operation, request);
  // Before anything has changed; with a merge the result is checked again.
  encodeValue(registration.policy.codec, value, key);
  return isolateOut(context, await setInStore(context, context.store, registration, key, value, request));
};

/** A write that only the shared tier is told of, at little cost; `undefined` for one that needs the long way. */
export const writeShared = (
  { sharedWrites }: Context,
  key: string,
  value: unknown,
  options: object | undefined,
): Promise<never> | undefined =>
  options === undefined && sharedWrites !== undefined
    ? (sharedWrites.ask(key, value) as Promise<never> | undefined)
    : undefined;

/** Leaves a tombstone, also where there was nothing: a creation under way must not come after it. */
const commitDelete = async (write: StoreWrite, guessed: Known, agreement: Agreement): Promise<boolean> => {
  const { context, store, registration, key, request, run } = write;
  const token = context.fills.take(key, registration);
  try {
    let known = guessed;
    if (request.op !== undefined || (registration.isStrong && known === nothing)) {
      const before = await whatToReplace(write, known);
      known = before.known;
      if (before.done) {
        agreement.withdraw();
        return true;
      }
    }
    const landed = await commitLoop(context, {
      run,
      store,
      operation: request.op,
      ready: agreement.ready,
      plan: () => ({
        mutations: [deleteMutation(context, registration, key, known.revision)],
        result: known.value !== undefined,
      }),
      learn: (conflicts) => {
        known = knownToReplace(registration, key, conflicts.get(key));
      },
    });
    await agreement.conclude([key], () =>
      applyLocally(context, registration, key, { token, value: undefined, revision: undefined }),
    );
    return landed.result;
  } finally {
    context.fills.release(token);
  }
};

const deleteInStore = (
  context: Context,
  store: StoreAccess,
  registration: Registration,
  key: string,
  request: WriteRequest,
): Promise<boolean> =>
  runWrite(context, writeCall(registration, [key], request), async (run) => {
    const write = { context, store, registration, key, request, run };
    const guessed = guess(context, key, registration, true);
    return await agreed(context, run, new Map([[key, registration]]), (agreement) =>
      commitDelete(write, guessed, agreement),
    );
  });

/** Removes a key from the store, then from every tier of every node. @returns Whether there was a value. */
export const deleteKey = async (context: Context, key: string, request: WriteRequest): Promise<boolean> => {
  const registration = registrationFor(context, key, "delete");
  registration.meters.deletes++;
  requireWaiting(request, key);
  if (context.store === undefined) {
    requireUnnamed(request, key);
    return await deleteWithoutStore(context, registration, key);
  }
  const timeoutMs = request.timeoutMs ?? registration.policy.hardTimeoutMs;
  const left = await flushFirst(context, [key], request.operation, { signal: request.signal, timeoutMs });
  return await deleteInStore(context, context.store, registration, key, { ...request, ...left });
};
