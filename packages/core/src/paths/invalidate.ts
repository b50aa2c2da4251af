import type { Registration } from "../mechanisms/registration.ts";
import { waitFor } from "../mechanisms/wait.ts";
import { agreed } from "./agreement.ts";
import { type CommitRun, dropEverywhere } from "./commit.ts";
import { type Context, flushFirst, registrationFor } from "./context.ts";
import { dropLocal } from "./tiers.ts";

/** As many nodes as a quorum have let go of `key` before the others are told. */
const invalidateStrongly = async (context: Context, registration: Registration, key: string): Promise<void> => {
  const run: CommitRun = { operation: "invalidate", key, sent: false, cancelled: false };
  const release = await context.locks.lock(key);
  try {
    await agreed(context, run, new Map([[key, registration]]), async (agreement) => {
      await agreement.ready?.();
      await agreement.conclude([key], () => dropLocal(context, key));
    });
  } finally {
    release();
  }
};

/** Drops `key` from every tier of every node; the store keeps it. */
export const invalidateKey = async (context: Context, key: string): Promise<void> => {
  const registration = registrationFor(context, key, "invalidate");
  registration.meters.invalidations++;
  await flushFirst(context, [key], "invalidate");
  if (registration.isStrong) await invalidateStrongly(context, registration, key);
  else await dropEverywhere(context, [key]);
};

/** Drops everything from every tier of every node; the store keeps it. */
export const clearAll = async (context: Context): Promise<void> => {
  const { dirty, local, clock, settings } = context;
  if (dirty !== undefined && dirty.depth > 0) {
    const details = { operation: "clear", port: "store" } as const;
    await waitFor(clock, dirty.flushAll(), { timeoutMs: 2 * settings.storeDeadlineMs, details });
  }
  context.fills.voidAll();
  context.versions?.gapAll(context.clock.now());
  context.epochs?.renew();
  context.bus?.announceAll();
  if (dirty === undefined || dirty.depth === 0) local?.clear();
  else for (const [key] of local?.entries() ?? []) dropLocal(context, key);
};
