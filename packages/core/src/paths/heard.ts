import type { FrameBody } from "../wire/frame-body.ts";
import type { Context } from "./context.ts";
import type { BusNews } from "./inbound.ts";
import { dropHeard, entriesOf } from "./tiers.ts";

const drop = (context: Context, keys: readonly string[], sharedDropped: boolean): void => {
  for (const key of keys) dropHeard(context, key);
  // That somebody dropped a key settles no debt: it may have been before the change that the debt is about.
  if (!sharedDropped) context.shared?.owe(keys, false);
};

const dropAll = (context: Context): void => {
  const { fills, versions, clock, epochs } = context;
  fills.voidAll();
  versions?.gapAll(clock.now());
  epochs?.seek();
  for (const [key] of entriesOf(context)) if (context.resolve(key)?.isDistributed !== false) dropHeard(context, key);
};

/** What a node does with the news of others. @param other Takes what is not about copies. */
export const busNews = (context: Context, other: (body: FrameBody, sentAt: number) => void): BusNews => ({
  drop: (keys, sharedDropped) => drop(context, keys, sharedDropped),
  dropAll: () => dropAll(context),
  other,
});
