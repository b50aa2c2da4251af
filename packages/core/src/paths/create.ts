import type { FillToken } from "../mechanisms/fill-guard.ts";
import type { Registration } from "../mechanisms/registration.ts";
import type { StoreAccess } from "../mechanisms/store-access.ts";
import { nextTimestamp } from "../values/timestamp.ts";
import { decodeStored, encodeStored } from "../wire/stored-value.ts";
import { type Agreement, agreed } from "./agreement.ts";
import { type CommitRun, commitOnce, revisionLeft } from "./commit.ts";
import type { Context, Fetched } from "./context.ts";
import { decodeFor } from "./tiers.ts";
import { applyLocally } from "./write.ts";
import { runWrite } from "./write-run.ts";

export interface Creation {
  readonly registration: Registration;
  readonly key: string;
  /** Taken before the loader began. */
  readonly token: FillToken;
  readonly operation: string;
  /** What was there before the loader began. */
  readonly seen: Fetched;
  readonly value: unknown;
  /** The codec's bytes of `value`. */
  readonly encoded: Uint8Array;
  /** One of many, which share round trips. */
  readonly together: boolean;
}

const commitCreation = async (
  context: Context,
  { registration, key, seen, value, encoded }: Creation,
  token: FillToken,
  run: CommitRun,
  agreement: Agreement,
): Promise<unknown> => {
  const { policy } = registration;
  await agreement.ready?.();
  const settled = await commitOnce(context, context.store as StoreAccess, run, undefined, [
    {
      kind: "put",
      key,
      expected: seen.revision,
      value: encodeStored(encoded),
      timestamp: nextTimestamp(context.clock.now(), context.settings.node, seen.record?.timestamp),
      history: policy.history,
      ttlMs: policy.storeTtlMs,
    },
  ]);
  if (settled.kind === "lost") {
    agreement.withdraw();
    const record = settled.conflicts.get(key);
    return record?.value === undefined ? undefined : decodeFor(registration, decodeStored(record.value, key), key);
  }
  const written = { token, value, revision: revisionLeft(settled) };
  await agreement.conclude([key], () => applyLocally(context, registration, key, written));
  return value;
};

/**
 * Stores what a loader made, if the store still holds what was there before the loader began.
 * @returns What the store holds afterwards: the value, or what somebody else put there first; `undefined` for nothing.
 */
export const createConditionally = (context: Context, creation: Creation): Promise<unknown> => {
  const { registration, key, operation, together } = creation;
  const needsQuorum = registration.isStrong;
  const limits = { signal: undefined, timeoutMs: undefined };
  return runWrite(context, { operation, keys: [key], ...limits, together, answer: "none", needsQuorum }, (run) =>
    agreed(context, run, new Map([[key, registration]]), async (agreement) => {
      if (!registration.isStrong) return await commitCreation(context, creation, creation.token, run, agreement);
      // A strong write voids every token of its key when it begins, its own load's too: what comes of that load is
      // decided by the commit, so nobody may join any more who came after it.
      const token = context.fills.take(key, registration);
      try {
        return await commitCreation(context, creation, token, run, agreement);
      } finally {
        context.fills.release(token);
      }
    }),
  );
};
