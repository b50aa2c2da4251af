import type { FillToken } from "../mechanisms/fill-guard.ts";
import type { Registration } from "../mechanisms/registration.ts";
import type { StoreAccess } from "../mechanisms/store-access.ts";
import { nextTimestamp } from "../values/timestamp.ts";
import { decodeStored, encodeStored } from "../wire/stored-value.ts";
import { commitOnce } from "./commit.ts";
import type { Context, Fetched } from "./context.ts";
import { decodeFor, dropElsewhere } from "./tiers.ts";
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

/**
 * Stores what a loader made, if the store still holds what was there before the loader began.
 * @returns What the store holds afterwards: the value, or what somebody else put there first; `undefined` for nothing.
 */
export const createConditionally = (context: Context, creation: Creation): Promise<unknown> => {
  const { registration, key, token, operation, seen, value, encoded, together } = creation;
  const { policy } = registration;
  const store = context.store as StoreAccess;
  return runWrite(
    context,
    { operation, keys: [key], signal: undefined, timeoutMs: undefined, together },
    async (run) => {
      const settled = await commitOnce(context, store, run, undefined, [
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
        const record = settled.conflicts.get(key);
        return record?.value === undefined ? undefined : decodeFor(registration, decodeStored(record.value, key), key);
      }
      const revision = settled.records[0]?.revision === settled.operation ? settled.operation : undefined;
      await dropElsewhere(context, [key], () => applyLocally(context, registration, key, { token, value, revision }));
      return value;
    },
  );
};
