import type { Composition } from "./compose.ts";
import { GuardedLocalCache } from "./mechanisms/guarded-local-cache.ts";
import type { BusSide } from "./paths/bus-side.ts";
import type { FeedSide } from "./paths/change-feed.ts";
import type { LocalCache } from "./ports/local-cache.ts";
import { isDirty, trueGeneration } from "./values/entry.ts";

/** How well a collaborator is. `degraded`: it is being tried again, or it lags. */
export type PortStatus = "absent" | "up" | "degraded" | "down";

/** What readiness probes and operators ask. */
export interface NodeStatus {
  readonly node: string;
  readonly state: "open" | "closed";
  readonly ports: {
    readonly localCache: PortStatus;
    readonly sharedCache: PortStatus;
    readonly store: PortStatus;
    readonly bus: PortStatus;
    readonly changeFeed: PortStatus;
  };
  /** News that no transport has taken yet. */
  readonly outbox: number;
  /** Writes of strong-local keys that the store has not taken yet. */
  readonly dirty: number;
  /** Entries that will be asked about before they are served again; an estimate above 10 000 entries. */
  readonly suspects: number;
  /** Keys to be dropped from the shared tier before they are read there. */
  readonly owed: number;
  /** Other nodes heard of. */
  readonly members: number;
  /** Live leases known. */
  readonly leases: number;
  /** Background errors that nobody read in time. */
  readonly droppedErrors: number;
}

const mostLookedAt = 10_000;

/** Suspect entries of the local tier, scaled up where there are too many to look at. */
export const countSuspects = ({ context }: Composition): number => {
  const { local } = context;
  if (local === undefined) return 0;
  let seen = 0;
  let suspects = 0;
  for (const [, entry] of local.entries()) {
    if (++seen > mostLookedAt) break;
    if (!isDirty(entry) && trueGeneration(entry) < entry.registration.generation) suspects++;
  }
  return seen > mostLookedAt ? Math.round((suspects * local.stats.entries) / mostLookedAt) : suspects;
};

const byBreaker = { closed: "up", "half-open": "degraded", open: "down" } as const;

const localStatus = (local: LocalCache | undefined): PortStatus => {
  if (local === undefined) return "absent";
  return local instanceof GuardedLocalCache && local.failing ? "degraded" : "up";
};

/** How well the bus is. */
const busStatus = (composition: Composition, bus: BusSide | undefined): PortStatus => {
  if (bus === undefined) return "absent";
  if (bus.deaf) return "down";
  return bus.lags ? "degraded" : byBreaker[composition.busGuard?.state ?? "closed"];
};

const feedStatus = (feed: FeedSide | undefined): PortStatus => {
  if (feed === undefined) return "absent";
  return feed.isLive ? "up" : "down";
};

export const statusOf = (
  composition: Composition,
  { bus, feed }: { readonly bus: BusSide | undefined; readonly feed: FeedSide | undefined },
  counts: Pick<NodeStatus, "outbox" | "dirty" | "members" | "leases">,
): NodeStatus => {
  const { context } = composition;
  return {
    node: context.settings.node,
    state: context.isOpen() ? "open" : "closed",
    ports: {
      localCache: localStatus(context.local),
      sharedCache: context.shared === undefined ? "absent" : byBreaker[context.shared.guard.state],
      store: context.store === undefined ? "absent" : byBreaker[context.store.guard.state],
      bus: busStatus(composition, bus),
      changeFeed: feedStatus(feed),
    },
    ...counts,
    suspects: countSuspects(composition),
    owed: context.shared?.owed ?? 0,
    droppedErrors: context.errors.dropped,
  };
};
