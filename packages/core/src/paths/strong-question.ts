import type { FillToken } from "../mechanisms/fill-guard.ts";
import { Questions } from "../mechanisms/questions.ts";
import type { Registration } from "../mechanisms/registration.ts";
import type { StoreAccess } from "../mechanisms/store-access.ts";
import type { StoredRecord } from "../ports/store.ts";
import { type Entry, expiryOf, markVisited, type Revision } from "../values/entry.ts";
import { decodeStored } from "../wire/stored-value.ts";
import { type Context, type Fetched, registrationFor, type StrongQuestions } from "./context.ts";
import { type Found, readAllStanding, readStanding } from "./expired.ts";
import { decodeFor, fillLocal, forget, newLife } from "./tiers.ts";

/** What a question began with. */
interface Begun {
  readonly registration: Registration;
  /** The copy that is asked about. */
  readonly entry: Entry | undefined;
  /** `undefined` while the key is fenced: what comes back fills nothing. */
  readonly token: FillToken | undefined;
}

/** The copy of `key` whose revision the store can be asked about. */
const copyOf = (context: Context, key: string, { policy }: Registration): Entry | undefined => {
  const entry = context.local?.get(key);
  if (entry?.value === undefined || entry.revision === undefined) return undefined;
  // Where the store lets values expire, one whose life is over cannot be judged by its revision.
  if (policy.storeTtlMs !== undefined && context.clock.monotonic() >= expiryOf(entry)) return undefined;
  return entry;
};

/** Begins a question: its fill token is taken before anything is sent. */
const beginQuestion = (context: Context, key: string): Begun => {
  const registration = registrationFor(context, key, "get");
  if (context.fences.has(key)) return { registration, entry: undefined, token: undefined };
  return {
    registration,
    entry: copyOf(context, key, registration),
    token: context.fills.take(key, registration),
  };
};

const readBegun = (context: Context, key: string, { registration, entry }: Begun): Promise<Found> =>
  readStanding(context, key, registration, () => (context.store as StoreAccess).readOne(key, entry?.revision));

const readAllBegun = (
  context: Context,
  keys: readonly string[],
  begun: readonly Begun[],
  read: (store: StoreAccess, unless: readonly (Revision | undefined)[]) => Promise<readonly Found[]>,
): Promise<readonly Found[]> => {
  const unless = begun.map(({ entry }) => entry?.revision);
  const registrations = begun.map(({ registration }) => registration);
  return readAllStanding(context, keys, registrations, () => read(context.store as StoreAccess, unless));
};

const confirm = (context: Context, key: string, { registration, token }: Begun, entry: Entry): Fetched => {
  markVisited(entry);
  registration.meters.localHits++;
  registration.meters.suspectsRevalidated++;
  const { value, revision } = entry;
  // It is served where it lies; only one whose time is over begins a new life.
  if (token !== undefined && context.local?.get(key) === entry && context.clock.monotonic() >= expiryOf(entry))
    fillLocal(context, { key, registration, token, value, revision, life: newLife(context, key, registration, false) });
  return { value, revision, fromStore: true, record: undefined, claim: undefined };
};

const adopt = (context: Context, key: string, begun: Begun, record: StoredRecord | undefined): Fetched => {
  const { registration, token, entry } = begun;
  const { meters, policy } = registration;
  if (entry !== undefined) meters.suspectsReplaced++;
  if (record?.value === undefined) {
    meters.misses++;
    if (token !== undefined) forget(context, key, token, undefined);
    return { value: undefined, revision: record?.revision, fromStore: true, record, claim: undefined };
  }
  meters.storeHits++;
  const { revision } = record;
  const value = decodeFor(registration, decodeStored(record.value, key), key);
  // What hangs on a transaction under way stands for this moment only.
  if (token !== undefined && record.underIntent !== true) {
    const life = newLife(context, key, registration, false, policy.storeTtlMs);
    fillLocal(context, { key, registration, token, value, revision, life });
  }
  return { value, revision, fromStore: true, record, claim: undefined };
};

/** Nothing comes of a question any more. */
const endQuestion = (context: Context, { token }: Begun): void => {
  if (token !== undefined) context.fills.release(token);
};

/** Takes the store's answer. @throws {WarpError} `CORRUPT`. */
const finishQuestion = (context: Context, key: string, begun: Begun, found: Found): Fetched => {
  try {
    return found === "unchanged"
      ? confirm(context, key, begun, begun.entry as Entry)
      : adopt(context, key, begun, found);
  } finally {
    endQuestion(context, begun);
  }
};

/**
 * What strong reads ask the store: "is it still revision r?", which moves no bytes while it is. Readers share a question
 * only if they came before it was sent, so that every answer stood at some moment of its reader's call.
 */
export const strongQuestions = (contextOf: () => Context): StrongQuestions =>
  new Questions<Begun, Found, Fetched>(
    (key) => beginQuestion(contextOf(), key),
    {
      ask: (key, begun) => readBegun(contextOf(), key, begun),
      askAll: (keys, begun) => readAllBegun(contextOf(), keys, begun, (store, unless) => store.readEach(keys, unless)),
    },
    (key, begun, found) => finishQuestion(contextOf(), key, begun, found),
    (begun) => endQuestion(contextOf(), begun),
  );

/**
 * Several keys as one state of the store: one statement that shares nothing.
 * @returns What was found, in the order of `keys`; for a key that cannot be read, the error.
 */
export const askTogether = async (
  context: Context,
  keys: readonly string[],
): Promise<readonly (Fetched | { readonly error: unknown })[]> => {
  const begun = keys.map((key) => beginQuestion(context, key));
  let answers: readonly Found[];
  try {
    answers = await readAllBegun(context, keys, begun, (store, unless) => store.readNow(keys, unless));
  } catch (error) {
    for (const one of begun) endQuestion(context, one);
    throw error;
  }
  return keys.map((key, index) => {
    try {
      return finishQuestion(context, key, begun[index] as Begun, answers[index]);
    } catch (error) {
      return { error };
    }
  });
};
