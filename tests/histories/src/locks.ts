import type { LockEvent } from "./operation.ts";

/** Clocks count a lock's time differently: by so much at most. */
const drift = 0.01;

/** Grants that took place while somebody else certainly held the lock: nothing had been let go, and its time was not over. */
const overlaps = (lock: string, grants: readonly LockEvent[], events: readonly LockEvent[]): readonly string[] =>
  grants.flatMap(({ token, process, start, end, ttlMs = 0 }) => {
    const released = events.find(({ event, token: of }) => event === "released" && of === token);
    const until = Math.min(start + ttlMs * (1 - drift), released?.start ?? Number.POSITIVE_INFINITY);
    const other = grants.find((one) => one.token !== token && one.start > end && one.end < until);
    return other === undefined
      ? []
      : [`${lock}: ${other.token} of ${other.process} was granted while ${process} held it by ${token}`];
  });

/**
 * What is wrong with the grants of each lock and the writes of the resource that it guards: tokens grow from one grant to the
 * next that began after it, none is granted twice or while the lock was certainly held, and a resource accepts no token
 * after a larger one.
 */
export const lockAnomalies = (events: readonly LockEvent[]): readonly string[] => {
  const told: string[] = [];
  for (const [lock, own] of byLock(events)) {
    const grants = own.filter(({ event }) => event === "granted").sort((a, b) => a.start - b.start);
    const tokens = new Set<string>();
    for (const grant of grants) {
      if (tokens.has(grant.token)) told.push(`${lock}: the token ${grant.token} was granted twice`);
      tokens.add(grant.token);
      const before = grants.filter(({ end }) => end < grant.start);
      const larger = before.find(({ token }) => BigInt(token) >= BigInt(grant.token));
      if (larger !== undefined)
        told.push(`${lock}: ${grant.token} of ${grant.process} was granted after ${larger.token} of ${larger.process}`);
    }
    told.push(...overlaps(lock, grants, own));
    // Of a resource the order is its own: events are in it.
    let largest = -1n;
    for (const { event, token, process } of own) {
      if (event !== "accepted") continue;
      if (BigInt(token) < largest) told.push(`${lock}: ${token} of ${process} was accepted after ${largest}`);
      if (BigInt(token) > largest) largest = BigInt(token);
    }
  }
  return told;
};

const byLock = (events: readonly LockEvent[]): ReadonlyMap<string, LockEvent[]> => {
  const locks = new Map<string, LockEvent[]>();
  for (const event of events) locks.set(event.lock, [...(locks.get(event.lock) ?? []), event]);
  return locks;
};
