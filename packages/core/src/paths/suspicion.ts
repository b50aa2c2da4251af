import type { GapReason } from "../mechanisms/bus-meters.ts";
import type { Context } from "./context.ts";

/** Changes may have been missed (rule 3): every distributed entry is to be asked about before it is served again. */
export const suspectAll = (context: Context, reason: GapReason): void => {
  context.meters.bus.gaps[reason]++;
  const at = context.clock.now();
  for (const registration of context.registrations()) if (registration.isDistributed) registration.raise(at);
  context.leases?.refresh();
  context.lockBook.waiters.wakeAll();
  context.logger.debug({ reason, node: context.settings.node }, "changes may have been missed: entries are suspect");
};

/** The local tier may hold what it was to let go of: none of its entries is served unasked, but those that are dirty. */
export const suspectLocal = (context: Context): void => {
  const at = context.clock.now();
  for (const registration of context.registrations()) registration.raise(at);
};
