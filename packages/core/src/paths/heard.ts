import type { FrameHeader } from "../wire/frame.ts";
import type { Context } from "./context.ts";
import type { BusNews, OtherBody } from "./inbound.ts";
import { dropHeard, entriesOf } from "./tiers.ts";

/** Other nodes have changed `keys`. @param sharedDropped Whether they are gone from the shared tier. */
export const dropNews = (context: Context, keys: readonly string[], sharedDropped: boolean): void => {
  for (const key of keys) {
    dropHeard(context, key);
    context.lockBook.waiters.wake(key);
  }
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

/** What a node does with the news of others. @param other Takes what is not about copies alone. */
export const busNews = (context: Context, other: (body: OtherBody, header: FrameHeader) => void): BusNews => ({
  drop: (keys, sharedDropped) => dropNews(context, keys, sharedDropped),
  dropAll: () => dropAll(context),
  other,
});
