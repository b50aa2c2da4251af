import type { Registration } from "../mechanisms/registration.ts";
import type { Flight, JoinedCallers } from "../mechanisms/single-flight.ts";
import type { Context, Fetched } from "./context.ts";

type LoadFlight = Flight<Fetched, unknown>;

/** Where callers are counted that share the promise of a load as it is; `undefined` if they may not. */
const openToAll = (context: Context, flight: LoadFlight, load: Promise<unknown>): JoinedCallers[] | undefined => {
  const { hardTimeoutMs, strategy, graceMs } = (flight.owner as Registration).policy;
  if (hardTimeoutMs !== undefined || strategy !== undefined || context.local?.isolate === "clone") return undefined;
  // Fail-safe may have a copy from the shared tier for each of them.
  if (graceMs > 0 && context.shared !== undefined) return undefined;
  const joined: JoinedCallers[] = [];
  flight.joined = joined;
  const observe = (outcome: string): void => {
    const latency = context.meters.latency("getOrSet", outcome);
    const now = context.clock.monotonic();
    for (const { since, callers } of joined) latency.observe((now - since) / 1_000, callers);
  };
  load.then(
    () => observe("ok"),
    () => observe("error"),
  );
  return joined;
};

// The coarse clock stands still for dozens of callers.
const count = (joined: JoinedCallers[], now: number): void => {
  const last = joined[joined.length - 1];
  if (last?.since === now) last.callers++;
  else joined.push({ since: now, callers: 1 });
};

/**
 * The load of `key` that is under way, for a caller of `getOrSet` without options who finds nothing in the local tier:
 * in a stampede that is nearly everybody, so each gets the load's own promise and pays for little else.
 * @returns `undefined` where the general path must decide.
 */
export const joinLoad = (context: Context, key: string): Promise<unknown> | undefined => {
  const flight = context.flights.size === 0 ? undefined : context.flights.ofSameOwner(key);
  if (flight?.loaded === undefined) return undefined;
  if (!context.isOpen() || context.dirty?.isPartial(key) === true) return undefined;
  const joined = flight.joined ?? openToAll(context, flight, flight.loaded);
  if (joined === undefined) return undefined;
  count(joined, context.now.now());
  // It has no signal, so it never leaves.
  flight.enter();
  (flight.owner as Registration).meters.loadsSaved++;
  return flight.loaded;
};
