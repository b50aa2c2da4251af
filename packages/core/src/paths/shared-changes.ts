import { type Context, inBackground, tolerateCacheError } from "./context.ts";
import { isOut } from "./tiers.ts";

interface SharedChange {
  readonly operation: "drop" | "set";
  readonly keys: readonly string[];
  /** Changes the shared tier; does nothing where there is none. */
  readonly change: () => Promise<unknown> | undefined;
  /**
   * Changes the local tier. Called once the slots have changed or are owed: a read that began before has its token voided
   * by it, and may have found in a slot what was about to go.
   */
  readonly apply: () => void;
  /** Tells the other nodes. Default: by the announcement of a drop. */
  readonly tell?: ((sharedDropped: boolean) => void) | undefined;
}

/** Changes the slots of `keys` in the shared tier, and has other nodes drop the keys. What cannot be changed now is owed. */
export const changeShared = async (
  context: Context,
  {
    operation,
    keys,
    change,
    apply,
    tell = (sharedDropped) => context.bus?.announce(keys, sharedDropped),
  }: SharedChange,
): Promise<void> => {
  const { shared } = context;
  let failure: { readonly error: unknown } | undefined;
  try {
    await change();
  } catch (error) {
    failure = { error };
    shared?.owe(keys, true);
  }
  try {
    apply();
  } finally {
    // Whatever failed here, the others must know, also what they have to drop where this node could not, or has no such tier.
    tell(shared !== undefined && failure === undefined);
  }
  if (failure !== undefined && !isOut(context)) tolerateCacheError(context, failure.error, operation, "shared-cache");
};

/** As `changeShared`, by removing the slots. */
export const dropElsewhere = (
  context: Context,
  keys: readonly string[],
  apply: () => void,
  tell?: (sharedDropped: boolean) => void,
): Promise<void> =>
  changeShared(context, { operation: "drop", keys, change: () => context.shared?.drop(keys), apply, tell });

/** Drops what this node could not drop in the shared tier when it changed it, and tells everybody that it is done. */
export const payOwed = (context: Context): void => {
  const { shared, bus } = context;
  const keys = shared === undefined || shared.guard.state !== "closed" ? [] : shared.ownOwed;
  if (shared === undefined || keys.length === 0) return;
  const drop = shared.drop(keys).then(() => bus?.announce(keys, true));
  inBackground(context, "drop", undefined, drop);
};
