import type { Registration } from "../mechanisms/registration.ts";
import type { StoreAccess } from "../mechanisms/store-access.ts";
import type { StoredRecord } from "../ports/store.ts";
import type { Revision } from "../values/entry.ts";
import { type Context, newOperation } from "./context.ts";
import { deleteMutation } from "./write-values.ts";

export type Found = StoredRecord | "unchanged" | undefined;

/** The revision of a value that has expired, and that nobody has put a tombstone in the place of. */
const expiredRevision = (found: Found): Revision | undefined =>
  found === undefined || found === "unchanged" || found.value !== undefined || found.expiresAt === undefined
    ? undefined
    : found.revision;

/** @throws {WarpError} If it is not known whether the tombstone stands now. */
const bury = async (context: Context, registration: Registration, key: string, revision: Revision): Promise<void> => {
  const store = context.store as StoreAccess;
  const mutation = deleteMutation(context, registration, key, revision);
  const reply = store.joinsCommits
    ? (await store.commitWithOthers(mutation)).reply
    : await store.commit(newOperation(context), [mutation], { operation: "get", key });
  if (reply.kind === "refused" || reply.kind === "unknown") throw reply.error;
};

/**
 * Reads a strong key until the answer has not merely expired. By its clock alone a store decides no order: it does
 * not move a value's revision, so whoever has seen the value can still commit on it after another has been told that
 * there is none. So the first to find a value expired writes that down, conditional on its revision: from there on an
 * expiry is a write like any other.
 * @throws {WarpError} What the store says.
 */
export const readStanding = (
  context: Context,
  key: string,
  registration: Registration,
  read: () => Promise<Found>,
): Promise<Found> =>
  // Without an async function: it is part of every question.
  read().then((found) => {
    const revision = registration.isStrong ? expiredRevision(found) : undefined;
    if (revision === undefined) return found;
    return bury(context, registration, key, revision).then(() => readStanding(context, key, registration, read));
  });

/** As `readStanding`, for several keys. */
export const readAllStanding = async (
  context: Context,
  keys: readonly string[],
  registrations: readonly Registration[],
  read: () => Promise<readonly Found[]>,
): Promise<readonly Found[]> => {
  for (;;) {
    const found = await read();
    const burials: Promise<void>[] = [];
    for (let index = 0; index < found.length; index++) {
      const revision = expiredRevision(found[index]);
      const registration = registrations[index] as Registration;
      if (revision !== undefined && registration.isStrong)
        burials.push(bury(context, registration, keys[index] as string, revision));
    }
    if (burials.length === 0) return found;
    await Promise.all(burials);
  }
};
